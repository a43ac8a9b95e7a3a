"""Records and results as plain JSON values: money as strings, times as ISO 8601."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from orchestrator.reading import Attempt, Trace


def plain(value: Any) -> Any:
    """Any record, at any depth."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, datetime) else value


def record_view(record: object) -> dict[str, Any]:
    """A record's fields by name."""
    view: dict[str, Any] = plain(record)
    return view


def attempt_view(attempt: Attempt) -> dict[str, Any]:
    return {**record_view(attempt.decision), "outcomes": plain(attempt.outcomes), "rewards": plain(attempt.rewards)}


def trace_view(trace: Trace) -> dict[str, Any]:
    return {
        "run_id": trace.run_id,
        "query": trace.query_text,
        "answer": trace.answer_text,
        "cost_usd": f"{trace.cost_usd:f}",
        "decisions": [attempt_view(attempt) for attempt in trace.attempts],
        "spans": plain(trace.spans),
    }
