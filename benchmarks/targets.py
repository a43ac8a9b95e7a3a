"""The targets of the learned router, measured: each with what was found and whether that is enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from benchmarks.adaptation import recovered
from benchmarks.figures import Row
from benchmarks.learning_curve import limit_of
from benchmarks.sets import SETS
from routing.evaluation.references import BEST_SINGLE, TABLE
from routing.training.fitting import AUTO_ROUTERS

__all__ = ["TABLE", "Judged", "targets"]

SLACK_TEXT_ONLY = 0.002  # how far below the table utility area may be
GAIN_WITH_LABELS = 0.005
HALF_A_POINT = 0.005
LARGEST_ECE = 0.05
LONGEST_FIT_SECONDS = 600
LEAST_RECOVERED = 0.8
SET_TO_COST_SHARE = {"mmlupro": 0.45, "llmrouter": 0.30}


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One set: `fits` are rows by router, `others` rows by part."""

    name: str
    facts: Row
    fits: Mapping[str, list[Row]]
    references: Mapping[str, Row]
    others: Mapping[str, list[Row]]

    def area(self, router: str, view: str = "text_only") -> float:
        return self.mean_of(router, "utility_area", view)

    def mean_of(self, router: str, figure: str, view: str = "text_only") -> float:
        known = [row[view][figure] for row in self.fits[router] if row[view] and row[view][figure] is not None]
        return mean(known) if known else float("nan")

    @property
    def auto(self) -> str | None:
        """What `auto` would take: the best on dev by utility area; of equals the simpler one."""
        known = [router for router in AUTO_ROUTERS if router in self.fits]
        return max(known, key=self.area) if known else None


def targets(judged: Sequence[Judged]) -> list[list[str]]:
    """One line a target: what, what was measured for each set, and the verdict over all of them."""
    found = [each for each in judged if each.auto and TABLE in each.references]
    if not found:
        return []
    return [
        ["router that auto takes", _told(found, lambda each: str(each.auto)), ""],
        *_against_table(found),
        *_quality_and_cost(found),
        *_soundness(found),
        *_adaptation(judged),
        *_curves(judged),
    ]


def _against_table(found: Sequence[Judged]) -> list[list[str]]:
    text = {each.name: each.area(str(each.auto)) - each.references[TABLE]["utility_area"] for each in found}
    labelled = {
        each.name: max(each.area(router, "with_labels") for router in each.fits)
        - each.references[TABLE]["utility_area"]
        for each in found
    }
    above = sum(value > 0 for value in text.values())
    enough = sum(value >= GAIN_WITH_LABELS for value in labelled.values())
    is_near = all(value >= -SLACK_TEXT_ONLY for value in text.values())
    return [
        [
            "1 text only, area - table: >= -.002 everywhere, > 0 on 2",
            _signed(text),
            _verdict(is_near and above >= 2, found),
        ],
        ["1 with labels (best router), area - table: >= .005 on 3", _signed(labelled), _verdict(enough >= 3, found)],
    ]


def _quality_and_cost(found: Sequence[Judged]) -> list[list[str]]:
    quality = {each.name: each.mean_of(str(each.auto), "quality") for each in found}
    to_table = {each.name: quality[each.name] - each.references[TABLE]["quality"] for each in found}
    to_best = {each.name: quality[each.name] - each.references[BEST_SINGLE]["quality"] for each in found}
    enough = sum(to_table[name] >= -HALF_A_POINT and to_best[name] >= 0 for name in to_table)
    shares = {each.name: each.mean_of(str(each.auto), "cost_share_at_best_single") for each in found}
    are_cheap = [shares[name] <= limit for name, limit in SET_TO_COST_SHARE.items() if name in shares]
    told = "  ".join(f"{name} {value:.3f}" for name, value in shares.items())
    return [
        ["2 quality - table: >= -.005 on 4 of 5 ...", _signed(to_table), _verdict(enough >= 4, found)],
        ["2 ... where quality - best single >= 0, too", _signed(to_best), _verdict(enough >= 4, found)],
        [
            "2 cost share at best single's quality: mmlupro <= .45, llmrouter <= .30",
            told,
            _verdict(all(are_cheap), found),
        ],
    ]


def _soundness(found: Sequence[Judged]) -> list[list[str]]:
    same = {each.name: bool(each.facts.get("is_same_with_candidates_reversed")) for each in found}
    errors = {each.name: each.mean_of(str(each.auto), "ece") for each in found}
    seconds = {
        each.name: max(row["fit_seconds"] for rows in each.fits.values() for row in rows) for each in found
    }  # of all routers and seeds
    reversed_told = "  ".join(f"{name} {'same' if value else 'DIFFERENT'}" for name, value in same.items())
    errors_told = "  ".join(f"{name} {value:.3f}" for name, value in errors.items())
    seconds_told = "  ".join(f"{name} {value:.0f}" for name, value in seconds.items())
    return [
        ["3 candidates reversed: the same data", reversed_told, _verdict(all(same.values()))],
        ["4 calibration error <= .05", errors_told, _verdict(all(value <= LARGEST_ECE for value in errors.values()))],
        [
            "6 longest fit, seconds <= 600",
            seconds_told,
            _verdict(all(value <= LONGEST_FIT_SECONDS for value in seconds.values())),
        ],
    ]


def _adaptation(judged: Sequence[Judged]) -> list[list[str]]:
    lines = []
    for each in judged:
        for router in sorted({row["router"] for row in each.others["adapt"]}):
            rows = [row for row in each.others["adapt"] if row["router"] == router]
            kinds = sorted({row["hold_out"] for row in rows})
            shares = {kind: recovered([row for row in rows if row["hold_out"] == kind]) for kind in kinds}
            told = "  ".join(f"{kind} {'no gain' if s is None else format(s, '.2f')}" for kind, s in shares.items())
            whole = recovered(rows)
            is_enough = whole is not None and whole >= LEAST_RECOVERED
            lines.append([f"5 {each.name} {router}: share of retraining's gain >= .80", told, _verdict(is_enough)])
    return lines


def _curves(judged: Sequence[Judged]) -> list[list[str]]:
    """For orientation, no target: mean areas by share of the training queries."""
    lines = []
    for each in judged:
        rows = each.others["curve"]
        shares = sorted({row["share"] for row in rows})
        for router in sorted({row["router"] for row in rows}):
            own = [row for row in rows if row["router"] == router]
            areas = [mean(row["text_only"] for row in own if row["share"] == share) for share in shares]
            tables = [mean(row["table"] for row in own if row["share"] == share) for share in shares]
            lines += [
                [f"curve {each.name} {router}", _curve(shares, areas), ""],
                [f"curve {each.name} table, which sees labels", _curve(shares, tables), ""],
            ]
    return lines


def _curve(shares: Sequence[float], areas: Sequence[float]) -> str:
    limit = limit_of(areas) if len(areas) >= 3 else None
    told = "  ".join(f"{share:g}: {area:.4f}" for share, area in zip(shares, areas, strict=True))
    return f"{told}  -> {'no limit in sight' if limit is None else format(limit, '.4f')}"


def _signed(values: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:+.4f}" for name, value in values.items())


def _told(found: Sequence[Judged], read: Callable[[Judged], str]) -> str:
    return "  ".join(f"{each.name} {read(each)}" for each in found)


def _verdict(is_met: bool, over: Sequence[Judged] = ()) -> str:
    """`over`: what a target over all sets was measured on."""
    if over and len(over) < len(SETS):
        return f"{len(over)} of {len(SETS)} sets"
    return "met" if is_met else "MISSED"
