"""From the signal to stop until the end: nothing new, time for what is under way, then what is left is cut short."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from orchestrator.overload import Admission

FAREWELL_SECONDS = 5.0  # for answers to go out that were cut short


async def nothing() -> None:
    """Where no jobs are run."""


class Draining:
    """`cut_short` ends the runs under way, so that each is settled and its caller told."""

    def __init__(
        self,
        admission: Admission,
        *,
        seconds: float,
        cut_short: Callable[[], None],
        jobs: Callable[[], Awaitable[None]] = nothing,
    ) -> None:
        """`seconds`: the most that work under way gets after the first signal. `jobs` is called at that signal: it
        takes no new job, and returns once no job is at hand."""
        self.admission = admission
        self.seconds = seconds
        self.cut_short = cut_short
        self.jobs = jobs
        self._first, self._second = asyncio.Event(), asyncio.Event()

    def told(self) -> None:
        """Hears one signal: the first one lets nothing new in, from this moment on; a second one hurries."""
        if self._first.is_set():
            self._second.set()
        self._first.set()
        self.admission.drain()

    async def over(self) -> None:
        """Returns once the server was told to stop and nothing that matters is under way any more."""
        await self._first.wait()
        work = asyncio.create_task(self._work())
        try:
            await self._settled(work, seconds=self.seconds)
            if not work.done():
                self.cut_short()
                self._second.clear()
                await self._settled(work, seconds=FAREWELL_SECONDS)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)  # whoever closes the service stops its jobs once more

    async def _work(self) -> None:
        """Returns when neither a request nor a job is under way."""
        await self.jobs()
        await self.admission.settled()

    async def _settled(self, work: asyncio.Task[None], *, seconds: float) -> None:
        """Returns when the work is done, another signal came, or the time is over."""
        hurry = asyncio.create_task(self._second.wait())
        await asyncio.wait([work, hurry], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        await asyncio.gather(hurry, return_exceptions=True)
