"""Moments as people type them: so long ago (`2h`, `7d`), or a time in ISO 8601."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from storage.errors import InvalidInput

AGE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(s|m|h|d|w)")
UNIT_TO_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


def moment_of(text: str, *, now: datetime, field: str) -> datetime:
    """In UTC; a time without a zone is the local one. Raises InvalidInput."""
    try:
        if found := AGE.fullmatch(text.strip().lower()):
            return now - timedelta(seconds=float(found[1]) * UNIT_TO_SECONDS[found[2]])
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo is not None else moment.astimezone()).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise InvalidInput(
            f"{text!r:.80} is no time; write how long ago (30m, 2h, 7d) or a time like 2026-03-01T12:00.", field=field
        ) from exc
