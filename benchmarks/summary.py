"""The routing benchmark's results as tables for people, and which targets they meet.

    python -m benchmarks.summary FILE

Means over seeds, with the standard deviation where seeds differ. The figures stand as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, stdev

from benchmarks.figures import Row
from benchmarks.results import Results, is_deterministic
from benchmarks.targets import TABLE, Judged, targets

HEAD = ("router", "seeds", "area", "±", "- table", "labels - table", "quality", "best-s. share", "ECE", "fit s", "gate")


def summary(results: Results) -> str:
    parts = []
    judged = [judged_set(results, name) for name in sorted({row["set"] for row in results.rows})]
    for found in judged:
        facts = found.facts
        parts.append(
            f"\n{found.name}: {facts.get('queries')} queries, {facts.get('candidates')} candidates; text only, "
            f"then with labels against the table, which sees them\n" + _table(HEAD, _lines(results, found))
        )
        parts += [f"  {row['part']} {row['router']}: {row['problem']}" for row in results.rows
                  if row["set"] == found.name and "problem" in row]  # fmt: skip
    versions = len({row["code_sha256"] for row in results.rows})
    if versions > 1:
        parts.append(
            f"\nThese are results of {versions} versions of the code; run the benchmark to renew the older ones."
        )
    parts.append("\n" + _table(("target", "measured", ""), targets(judged)))
    return "\n".join(parts)


def judged_set(results: Results, name: str) -> Judged:
    """What is known of one set."""
    rows = [row for row in results.rows if row["set"] == name and "problem" not in row]
    facts: Row = next((row for row in rows if row["part"] == "set"), {})
    fits: dict[str, list[Row]] = {}
    for row in rows:
        if row["part"] == "fit" and row["text_only"] is not None:
            fits.setdefault(row["router"], []).append(row)
    reference: Row = next((row["references"] for row in rows if "references" in row), {})
    others = {part: [row for row in rows if row["part"] == part] for part in ("adapt", "curve", "renamed", "peer")}
    return Judged(name=name, facts=facts, fits=fits, references=reference, others=others)


def _lines(results: Results, found: Judged) -> list[list[str]]:
    table = found.references.get(TABLE)
    lines = [_line(f"[{name}]", [{"text_only": row}], table) for name, row in found.references.items()]
    for router, rows in sorted(found.fits.items(), key=lambda item: -found.area(item[0])):
        lines.append(_line(router, rows, table, seeds="alike" if is_deterministic(rows) else str(len(rows))))
    peers: dict[str, list[Row]] = {}
    for row in found.others["peer"]:
        if row["text_only"] is not None:
            peers.setdefault(f"peer {row['router']}{' reversed' * (row['order'] == 'reversed')}", []).append(row)
    return lines + [_line(name, rows, table, seeds=str(len(rows))) for name, rows in peers.items()]


def _line(name: str, rows: Sequence[Row], table: Row | None, *, seeds: str = "") -> list[str]:
    def figure(read: Callable[[Row], float | None], form: str) -> str:
        known = [value for row in rows if (value := read(row)) is not None]
        return format(mean(known), form) if known else "-"

    areas = [row["text_only"]["utility_area"] for row in rows]
    base = table["utility_area"] if table else 0.0
    return [
        name,
        seeds,
        format(mean(areas), ".4f"),
        format(stdev(areas), ".4f") if len(areas) > 1 else "",
        format(mean(areas) - base, "+.4f") if table else "-",
        figure(lambda row: row["with_labels"]["utility_area"] - base if row.get("with_labels") else None, "+.4f"),
        figure(lambda row: row["text_only"]["quality"], ".4f"),
        figure(lambda row: row["text_only"]["cost_share_at_best_single"], ".3f"),
        figure(lambda row: row["text_only"]["ece"], ".3f"),
        figure(lambda row: row.get("fit_seconds"), ".1f"),
        figure(lambda row: row["text_only"]["is_gate_passed"], ".1f"),
    ]


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[place]) for line in [head, *lines]) for place in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in [head, *lines]
    )


if __name__ == "__main__":
    print(summary(Results(Path(sys.argv[1]), code_sha256="")))
