"""What an evaluation found, as records of plain values; `plain` gives the keys of report.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from routing.evaluation.bootstrap import LEVEL, RESAMPLES, Difference, Interval
from routing.evaluation.calibration import Calibration
from routing.evaluation.gate import Gate
from routing.evaluation.log_report import LogReport
from routing.evaluation.measures import Point, Scores
from routing.evaluation.play import LAMBDAS
from routing.forecasts import Reference

REPORT_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A router less a rival on the same queries; quality at weight 0 of cost."""

    utility_area: Difference
    quality: Difference


@dataclass(frozen=True, kw_only=True)
class Thrift:
    """The cheapest point of the frontier that holds best single's quality within the tolerance.

    The point was picked on these very queries, so it flatters a little; the intervals do not count that.
    """

    point: Point
    quality: Difference  # against best single
    cost_share: Interval | None  # None: the data holds no costs


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One router, or one reference."""

    is_reference: bool
    scores: Scores
    frontier: tuple[Point, ...]  # one point where the weight of cost changes nothing
    thrift: Thrift | None  # None: no point holds the quality
    comparisons: Mapping[str, Comparison]  # by rival
    calibration_of_all: Calibration | None = None  # over all known cells; None: it forecasts nothing
    calibration_of_chosen: Calibration | None = None  # over the cells chosen at weight 0
    redirected_queries: int = 0  # whose best candidate by forecast has no known outcome, so that the next was taken
    gate: Gate | None = None  # None: a reference


@dataclass(frozen=True, kw_only=True)
class View:
    """Every router on the same queries, with or without sight of the task labels."""

    shows_labels: bool
    standings: Mapping[str, Standing]  # routers as given, then references


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """What was judged on."""

    split: str
    train_digest: str
    digest: str  # of the split that was judged on
    train_queries: int
    queries: int
    excluded_queries: int
    missing_cells: int  # of the queries that are kept
    candidates: tuple[str, ...]
    has_costs: bool
    has_labels: bool


@dataclass(frozen=True, kw_only=True)
class Report:
    """All of it. Either `text_only` is there, or `log` where the data comes from a log."""

    data: DataFacts
    reference: Reference
    seed: int
    code_version: str
    code_sha256: str  # of the sources of the folder `routing`
    text_only: View | None
    with_labels: View | None = None
    log: LogReport | None = None
    failures: Mapping[str, str] = field(default_factory=dict)  # router to the reason why it was not judged
    notes: tuple[str, ...] = ()
    encoder: str = ""
    headline: str = "text_only"  # which view stands first
    asked: tuple[str, ...] = ()  # the routers that the reader asked about; empty: all
    lambdas: tuple[float, ...] = LAMBDAS
    resamples: int = RESAMPLES
    interval_level: float = LEVEL

    @property
    def main_view(self) -> View | None:
        return self.with_labels if self.headline == "with_labels" and self.with_labels else self.text_only

    @property
    def lead(self) -> str | None:
        """Of the routers asked about, the one with the largest utility area in the main view; None: there is none."""
        view = self.main_view
        if view is None:
            return None
        routers = [name for name, standing in view.standings.items() if not standing.is_reference]
        wanted = [name for name in routers if not self.asked or name in self.asked]
        return max(wanted, key=lambda name: view.standings[name].scores.utility_area, default=None)


def plain(report: Report) -> dict[str, Any]:
    """JSON values under the names of the records' fields; nothing is NaN.

    `text_only` and `with_labels` hold, in `standings`, by router: `scores` (with `points` and `shares` for each of
    `lambdas`, and `tasks`), `frontier`, `thrift`, `comparisons` by rival, two calibrations and the `gate`. `log` stands
    in their place for data from a log. `data`, `reference`, `seed`, `code_*`, `encoder`, `failures` and `notes` say
    how it came about. A change that takes a key away, or changes its meaning, raises `format`.
    """
    return {"format": REPORT_FORMAT, **asdict(report)}


def metrics(report: Report, router: str) -> dict[str, Any]:
    """JSON values of one router for its manifest: figures without labels, their gate, and those with labels."""
    found: dict[str, Any] = {
        "split": report.data.split,
        "digest": report.data.digest,
        "queries": report.data.queries,
        "seed": report.seed,
    }
    if report.log is not None:
        return {**found, "log": asdict(report.log.routers[router])}
    for name, view in (("text_only", report.text_only), ("with_labels", report.with_labels)):
        if view is not None:
            found[name] = _metrics(view.standings[router])
    return {**found, "gate": found["text_only"]["gate"]}


def _metrics(standing: Standing) -> dict[str, Any]:
    whole = asdict(standing)
    scores = whole["scores"]
    names = ("quality", "cost_usd", "cost_share", "utility_area", "regret", "quality_regret", "latency_seconds")
    errors = standing.calibration_of_all
    return {
        **{name: scores[name] for name in names},
        "thrift": whole["thrift"],
        "comparisons": whole["comparisons"],
        "calibration_error": None if errors is None else errors.ece,
        "brier": None if errors is None else errors.brier,
        "gate": whole["gate"],
    }
