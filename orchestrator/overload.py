"""Back-pressure and draining: so much work at once, a few who wait a moment for their turn, others come back later."""

from __future__ import annotations

import asyncio
from collections import deque

from orchestrator.errors import Overloaded

MOST_AT_ONCE = 256
MOST_WAITING = 64
WAIT_SECONDS = 2.0  # that a request waits for its turn at most
RETRY_AFTER_SECONDS = 1.0
DRAINING_RETRY_AFTER_SECONDS = 5.0  # until another instance, or this one's successor, is there


class Admission:
    """Counts the work under way in this process, and lets in what there is room for; for one event loop."""

    def __init__(
        self, *, most: int = MOST_AT_ONCE, most_waiting: int = MOST_WAITING, wait_seconds: float = WAIT_SECONDS
    ) -> None:
        self.most = most
        self.most_waiting = most_waiting
        self.wait_seconds = wait_seconds
        self.under_way = 0
        self.is_draining = False
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._settled = asyncio.Event()
        self._settled.set()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def enter(self) -> None:
        """Takes a place, which `leave` gives back. Raises Overloaded where none is to be had, or soon."""
        if self.is_draining:
            raise stopping()
        if self.under_way < self.most and not self._waiting:
            self.under_way += 1
            self._settled.clear()
            return
        if len(self._waiting) >= self.most_waiting:
            raise _full(f"{self.under_way} requests are worked on and {len(self._waiting)} wait.")
        await self._turn()

    def leave(self) -> None:
        """Gives the place to whoever waits longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.under_way -= 1
        if self.under_way == 0:
            self._settled.set()

    def drain(self) -> None:
        """From now on nothing is let in, and who waits is sent away; what is under way goes on."""
        self.is_draining = True
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(stopping())

    async def settled(self) -> None:
        """Returns when nothing is under way."""
        await self._settled.wait()

    async def _turn(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self.wait_seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled() and turn.exception() is None:  # it came at the last moment
                self.leave()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise _full(f"No place became free within {self.wait_seconds:g} s.") from error
            raise


def _full(message: str) -> Overloaded:
    error = Overloaded(message, hint="Try again in a moment, or raise limits.parallel_runs in the settings.")
    error.retry_after_seconds = RETRY_AFTER_SECONDS
    return error


def stopping() -> Overloaded:
    """The error for work that comes, or is cut short, when the service is stopping."""
    error = Overloaded("The service is stopping and takes no new work.", hint="Send it again: another instance may do.")
    error.retry_after_seconds = DRAINING_RETRY_AFTER_SECONDS
    return error
