"""A run as a tree of steps: its spans, those of one decision gathered under it, in the order of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from orchestrator.reading import Attempt, Trace
from orchestrator.tracing import DECISION_ID
from storage.records import Span

ROUTED_DECISION_ID = "router.decision.id"  # attribute of a decision's routing


@dataclass(frozen=True, kw_only=True)
class Step:
    """A decision with all that was done for it, or one span."""

    started_at: datetime
    seconds: float
    is_failed: bool
    children: tuple[Step, ...] = ()  # in the order of time
    attempt: Attempt | None = None  # of a decision
    span: Span | None = None

    @property
    def ended_at(self) -> datetime:
        return self.started_at + timedelta(seconds=self.seconds)

    @property
    def cost_usd(self) -> Decimal | None:
        """Of a decision, and of a span that has decisions below it; None: nothing is known of its cost."""
        if self.attempt is not None:
            return self.attempt.cost_usd
        costs = [cost for child in self.children if (cost := child.cost_usd) is not None]
        return sum(costs, Decimal(0)) if costs else None


def tree_of(trace: Trace) -> tuple[Step, ...]:
    """The steps that have no other above them. A decision without spans, as of a run that was killed, is there too."""
    return _Gathered(trace).steps()


class _Gathered:
    """Spans by what they stand under: a decision's id, a span's id, or None."""

    def __init__(self, trace: Trace) -> None:
        self.id_to_attempt = {attempt.decision.id: attempt for attempt in trace.attempts}
        span_ids = {span.id for span in trace.spans}
        self.above: dict[str | None, list[Span]] = {}
        self.decision_to_parent: dict[str, str | None] = {}
        for span in trace.spans:
            parent = span.parent_id if span.parent_id in span_ids else None
            decision_id = _decision_of(span, self.id_to_attempt)
            if decision_id is not None:
                self.decision_to_parent.setdefault(decision_id, parent)
                parent = decision_id
            self.above.setdefault(parent, []).append(span)

    def steps(self) -> tuple[Step, ...]:
        return self._below(None)

    def _below(self, parent: str | None) -> tuple[Step, ...]:
        spans = [self._of_span(span) for span in self.above.get(parent, ())]
        decisions = [
            self._of_decision(attempt)
            for id, attempt in self.id_to_attempt.items()
            if parent != id and self.decision_to_parent.get(id) == parent
        ]
        return tuple(sorted([*spans, *decisions], key=lambda step: step.started_at))

    def _of_span(self, span: Span) -> Step:
        children = self._below(span.id)
        return Step(
            started_at=span.started_at, seconds=span.seconds, is_failed=span.is_failed, children=children, span=span
        )

    def _of_decision(self, attempt: Attempt) -> Step:
        children = tuple(
            sorted((self._of_span(s) for s in self.above.get(attempt.decision.id, ())), key=lambda s: s.started_at)
        )
        started_at = min((child.started_at for child in children), default=attempt.decision.decided_at)
        seconds = sum(outcome.latency_seconds for outcome in attempt.outcomes)
        if children:
            seconds = (max(child.ended_at for child in children) - started_at).total_seconds()
        is_failed = any(outcome.status in ("failed", "refused", "cancelled") for outcome in attempt.outcomes)
        return Step(started_at=started_at, seconds=seconds, is_failed=is_failed, children=children, attempt=attempt)


def _decision_of(span: Span, known: Mapping[str, Attempt]) -> str | None:
    named = span.attributes.get(DECISION_ID) or span.attributes.get(ROUTED_DECISION_ID)
    return named if named in known else None


def whole(steps: Sequence[Step]) -> tuple[datetime, float] | None:
    """When the first step began, and the seconds to the end of the last; None: there are none."""
    if not steps:
        return None
    started_at = min(step.started_at for step in steps)
    return started_at, (max(step.ended_at for step in steps) - started_at).total_seconds()
