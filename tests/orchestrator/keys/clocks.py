"""Time that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = b"s" * 48


class Clock:
    """Seconds for windows and caches, and the moment that goes with them."""

    def __init__(self) -> None:
        self.seconds = 6_000_000.0  # the beginning of a minute

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds - 6_000_000)

    def passes(self, seconds: float) -> None:
        self.seconds += seconds
