"""A run as a waterfall: decisions with what was done for them, and what each took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from markupsafe import Markup

from orchestrator.reading import Trace
from orchestrator.rest.console.charts.waterfall import Step as Row
from orchestrator.rest.console.charts.waterfall import waterfall
from orchestrator.rest.console.filters import dollars
from orchestrator.run_tree import Step, tree_of, whole

MOST_ROWS = 120
MODEL, TOOL = "gen_ai.request.model", "gen_ai.tool.name"


def picture_of_run(trace: Trace, decision_id: str) -> tuple[Markup, int]:
    """The picture, and how many steps had no room in it. The decision that is looked at is marked."""
    steps = tree_of(trace)
    span = whole(steps)
    if span is None:
        return Markup(""), 0
    rows = list(_rows(steps, span[0], decision_id))
    label = f"What the run did and when, over {span[1]:.2f} seconds."
    return waterfall(rows[:MOST_ROWS], label=label), max(0, len(rows) - MOST_ROWS)


def _rows(steps: Sequence[Step], start: datetime, decision_id: str, depth: int = 0) -> Iterator[Row]:
    for step in steps:
        yield _row(step, start, decision_id, depth)
        yield from _rows(step.children, start, decision_id, depth + 1)


def _row(step: Step, start: datetime, decision_id: str, depth: int) -> Row:
    cost = step.cost_usd
    name = _name(step)
    if step.attempt is not None and step.attempt.decision.id == decision_id:
        name = f"● {name}"
    return Row(
        name=name,
        depth=depth,
        begins=(step.started_at - start).total_seconds(),
        seconds=step.seconds,
        note="" if cost is None else dollars(cost),
        is_failed=step.is_failed,
    )


def _name(step: Step) -> str:
    if step.attempt is not None:
        decision = step.attempt.decision
        return f"{decision.candidate_id or 'nobody'} · {decision.step} #{decision.attempt}"
    if step.span is None:
        return ""
    what = step.span.attributes.get(MODEL) or step.span.attributes.get(TOOL)
    return f"{step.span.name} {what}" if what else step.span.name
