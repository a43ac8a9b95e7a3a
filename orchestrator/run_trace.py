"""What one run leaves for whoever exports it, gathered while it lasts; nothing is, where nobody exports."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime

from storage.records import Decision, Outcome, Span, utc_now


@dataclass(kw_only=True)
class RunTrace:
    """`text`: the question; whether it may leave the service is for the exporter to know."""

    text: str
    started_at: datetime = field(default_factory=utc_now)
    run_id: str = ""  # known once there is a span
    spans: list[Span] = field(default_factory=list)
    attempts: list[tuple[Decision, Outcome]] = field(default_factory=list)

    def add(self, span: Span) -> None:
        self.run_id = span.run_id
        self.spans.append(span)


current_trace: ContextVar[RunTrace | None] = ContextVar("current_trace", default=None)
