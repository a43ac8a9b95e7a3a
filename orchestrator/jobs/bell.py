"""Wakes those in this process who wait for a job; what other processes do is found by looking now and then."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

WORK = "work"  # rung when a job is queued, or a slot is free
CANCELS = "cancels"  # rung when a running job is to be cancelled


def end_of(job_id: str) -> str:
    """What is rung when a job has ended, or left its worker; the job's id alone is rung at every event."""
    return f"{job_id}/end"


class Bell:
    """A ring wakes everybody who listened before it; nobody's ring is kept for later."""

    def __init__(self) -> None:
        self._listeners: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def ring(self, *names: str) -> None:
        for name in names:
            for event in self._listeners.get(name, ()):
                event.set()

    @contextmanager
    def listening(self, name: str) -> Iterator[Callable[[float], Awaitable[None]]]:
        """Gives a wait of so many seconds at most, which is over at a ring since the block began."""
        event = asyncio.Event()
        self._listeners[name].add(event)

        async def heard(seconds: float) -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await event.wait()

        try:
            yield heard
        finally:
            self._listeners[name].discard(event)
            if not self._listeners[name]:
                del self._listeners[name]
