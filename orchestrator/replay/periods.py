"""A moment as people write it: `7d` ago, or a date."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from storage.errors import InvalidInput

SPAN = re.compile(r"(\d{1,6})\s*([mhdw])")
UNIT_TO_SECONDS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def moment_in(text: str, *, now: datetime, field: str) -> datetime:
    """`30m`, `24h`, `7d`, `2w` before now, or ISO 8601 (UTC where it names no zone).

    Raises InvalidInput, also for a moment that is still to come.
    """
    span = SPAN.fullmatch(text.strip())
    try:
        if span is not None:
            return now - timedelta(seconds=int(span[1]) * UNIT_TO_SECONDS[span[2]])
        found = datetime.fromisoformat(text.strip())
        moment = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (OverflowError, ValueError) as exc:
        raise InvalidInput(f"`{field}` is {text!r}; write 24h, 7d, 2w, or 2026-03-01T12:00.", field=field) from exc
    if moment > now:
        raise InvalidInput(
            f"`{field}` is {text!r}, which is still to come; now is {now:%Y-%m-%d %H:%M} UTC.", field=field
        )
    return moment
