"""The skill benchmark's rows as tables for people, in the form of the README's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]
MEASURES = ("hit@1", "recall@50", "ndcg@10", "complete@10", "mrr")
LABELS = {
    "stages": ("set", "stage", "bodies"),
    "pool-size": ("set", "size", "recombined", "stage"),
    "transfer": ("set", "teacher", "stage"),
    "long": ("set", "stage"),
    "ablation": ("set", "sort", "without"),
    "experts": ("set", "search", "way"),
}


def tables(rows: Sequence[Row]) -> str:
    """Markdown, a table a part."""
    told = []
    for part in dict.fromkeys(row["part"] for row in rows):
        own = [row for row in rows if row["part"] == part]
        told += [f"\n## {part}\n", *(_abstention(own) if part == "abstention" else _table(own, LABELS[part]))]
        told += [f"({row['set']}: {row['problem']})" for row in own if "problem" in row]
    return "\n".join(told)


def _table(rows: Sequence[Row], labels: Sequence[str]) -> list[str]:
    sound = [row for row in rows if "by_kind" in row]
    kinds = list(dict.fromkeys(kind for row in sound for kind in row["by_kind"] if kind != "all"))
    several = [kind for kind in kinds if len(kinds) > 1]
    head = [*labels, "seed", *(f"hit@1 {kind}" for kind in several), *MEASURES, "hit@1 against"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in sound:
        each = [_figure(row["by_kind"].get(kind, {}).get("hit@1")) for kind in several]
        every = [_figure(row["by_kind"]["all"][name]) for name in MEASURES]
        cells = [*(str(row[label]) for label in labels), str(row["seed"]), *each, *every, _against(row)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _against(row: Row) -> str:
    """Difference and 95 % interval."""
    return "; ".join(
        f"{other}: {found['hit@1']['mean']:+.3f} [{found['hit@1']['low']:+.3f}, {found['hit@1']['high']:+.3f}]"
        for other, found in row.get("against", {}).items()
    )


def _abstention(rows: Sequence[Row]) -> list[str]:
    columns = ("threshold", "false_abstentions", "answers_where_removed", "answered", "hit@1_of_answered")
    lines = ["| set | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for row in rows:
        for at in row.get("at", ()):
            lines.append(f"| {row['set']} | " + " | ".join(_figure(at[name]) for name in columns) + " |")
        if "at" in row:
            lines.append(
                f"\n{row['set']}: AUC removed {row['auc_removed']}, right {row['auc_right']},"
                f" calibration error {row['calibration_error']}"
            )
    return lines


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
