"""From the signal to stop until the end: nothing new, time for what is under way, then what is left is cut short."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from orchestrator.overload import Admission

FAREWELL_SECONDS = 5.0  # for answers to go out that were cut short


class Draining:
    """`cut_short` ends the runs under way, so that each is settled and its caller told."""

    def __init__(self, admission: Admission, *, seconds: float, cut_short: Callable[[], None]) -> None:
        """`seconds`: the most that work under way gets after the first signal."""
        self.admission = admission
        self.seconds = seconds
        self.cut_short = cut_short
        self._first, self._second = asyncio.Event(), asyncio.Event()

    def told(self) -> None:
        """Hears one signal: the first one lets nothing new in, from this moment on; a second one hurries."""
        if self._first.is_set():
            self._second.set()
        self._first.set()
        self.admission.drain()

    async def begun(self) -> None:
        """Returns once the server was told to stop."""
        await self._first.wait()

    async def over(self) -> None:
        """Returns once the server was told to stop and nothing that matters is under way any more."""
        await self._first.wait()
        await self._settled(seconds=self.seconds)
        if self.admission.under_way:
            self.cut_short()
            self._second.clear()
            await self._settled(seconds=FAREWELL_SECONDS)

    async def _settled(self, *, seconds: float) -> None:
        """Returns when nothing is under way, another signal came, or the time is over."""
        waits = [asyncio.create_task(wait) for wait in (self.admission.settled(), self._second.wait())]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
