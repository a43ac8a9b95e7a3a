"""What is known of the HTTP request under way, for logs, traces and the overhead that its answer tells."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from storage.records import Decision


@dataclass(kw_only=True, slots=True)
class RequestContext:
    """Ids alone; no text of the caller's is kept here."""

    request_id: str
    traceparent: str | None = None  # of the caller's own trace, as it was sent
    tenant: str = ""
    run_id: str = ""
    decision_id: str = ""  # the latest
    upstream_seconds: float = 0.0  # that candidates took

    def ids(self) -> dict[str, str]:
        """Those that are known, for a line of a log."""
        found = {name: getattr(self, name) for name in ("request_id", "tenant", "run_id", "decision_id")}
        return {name: value for name, value in found.items() if value}


current_request: ContextVar[RequestContext | None] = ContextVar("current_request", default=None)


def note_decision(decision: Decision) -> None:
    if (request := current_request.get()) is not None:
        request.run_id, request.decision_id, request.tenant = decision.run_id, decision.id, decision.tenant


def note_upstream(seconds: float) -> None:
    if (request := current_request.get()) is not None:
        request.upstream_seconds += seconds
