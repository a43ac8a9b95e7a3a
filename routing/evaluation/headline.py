"""What an evaluation found, in words: a few sentences about the leading router."""

from __future__ import annotations

from routing.evaluation.bootstrap import Difference
from routing.evaluation.gate import KNN
from routing.evaluation.log_report import LogReport, Verdict
from routing.evaluation.measures import QUALITY_TOLERANCE
from routing.evaluation.off_policy import Refusal
from routing.evaluation.references import BEST_SINGLE, ORACLE, TABLE
from routing.evaluation.results import Report, View

RIVAL_TO_WORDS = {KNN: "kNN", BEST_SINGLE: "the best single candidate", TABLE: "the task table, which sees labels"}


def headline(report: Report) -> list[str]:
    """At least one sentence; intervals are at 95 %."""
    if report.log is not None:
        return _of_log(report.log)
    view, lead = report.main_view, report.lead
    if view is None or lead is None:
        return ["No router was judged; the references stand alone."]
    sentences = [_saving(report, view, lead), _quality(view, lead), _area(view, lead)]
    gate = view.standings[lead].gate
    return [*sentences, f"Gate to promotion: {gate.reason}"] if gate is not None else sentences


def _saving(report: Report, view: View, lead: str) -> str:
    found, best = view.standings[lead].thrift, view.standings[BEST_SINGLE].scores
    named = f"{report.reference.candidate!r}, the best single candidate (quality {best.quality:.3f})"
    if found is None:
        return (
            f"At no weight of cost does {lead} hold the quality of {named}, within {100 * QUALITY_TOLERANCE:g} points."
        )
    if found.point.cost_share is None or found.cost_share is None:
        return f"{lead} holds the quality of {named}; the data holds no costs to compare."
    share, sure = found.point.cost_share, found.cost_share
    spend = f"{share:.1%} of its spend (95 % interval {sure.low:.1%} to {sure.high:.1%})"
    saved = f"saves {1 - share:.0%}" if share < 1 else "saves nothing"
    return (
        f"{lead} {saved}: at {spend} it holds the quality of {named}, within {100 * QUALITY_TOLERANCE:g} points "
        f"(it has {found.point.quality:.3f}, at weight {found.point.weight:.3g} of cost)."
    )


def _quality(view: View, lead: str) -> str:
    standing = view.standings[lead]
    parts = [
        f"{_points(standing.comparisons[rival].quality)} against {words}"
        for rival, words in RIVAL_TO_WORDS.items()
        if rival in standing.comparisons
    ]
    return f"Asked for quality alone it reaches {standing.scores.quality:.3f}: {'; '.join(parts)}."


def _area(view: View, lead: str) -> str:
    standing = view.standings[lead]
    parts = [
        f"{_signed(standing.comparisons[rival].utility_area)} against {words}"
        for rival, words in RIVAL_TO_WORDS.items()
        if rival in standing.comparisons
    ]
    oracle = view.standings[ORACLE].scores.utility_area
    return (
        f"Its utility area is {standing.scores.utility_area:.4f}: {'; '.join(parts)}. "
        f"An oracle would reach {oracle:.4f}."
    )


def _points(found: Difference) -> str:
    """Quality in points of a hundred."""
    return f"{100 * found.mean:+.1f} points ({100 * found.low:+.1f} to {100 * found.high:+.1f})"


def _signed(found: Difference) -> str:
    return f"{found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f})"


def _of_log(log: LogReport) -> list[str]:
    """A sentence for the log itself, and one for each router."""
    own = log.quality_interval
    sentences = [
        f"The log's own policy earned a quality of {log.quality:.3f} (95 % interval {own.low:.3f} to {own.high:.3f}) "
        f"over {log.decisions} decisions."
    ]
    tested = {name: standing for name, standing in log.routers.items() if not standing.is_reference}
    return [*sentences, *(f"{name}: {_verdict(standing.quality)}" for name, standing in tested.items())]


def _verdict(found: Verdict) -> str:
    if isinstance(found, Refusal):
        return f"no estimate. {found.reason}"
    best, how = (found.snips, "self-normalised") if found.dr is None else (found.dr, "doubly robust")
    return (
        f"would have earned {best.value:.3f} ({how}, 95 % interval {best.normal.low:.3f} to {best.normal.high:.3f}); "
        f"the log is worth {found.support.effective_sample_size:.0f} decisions of its own."
    )
