"""A point in time as callers write it: ISO 8601 with its zone, and never a bare number."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator


def _written(value: object) -> object:
    """Raises ValueError for what is no text, or a number in a text."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or "-" not in value[1:]:
        raise ValueError("give a time like 2026-03-01T12:00:00Z")
    return value


def _in_utc(moment: datetime) -> datetime:
    """Raises ValueError for a time that leaves the calendar."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as exc:
        raise ValueError("this time cannot be told in UTC") from exc


Moment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_utc)]
