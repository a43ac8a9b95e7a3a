"""Whoever waits for a run: leaving stops the candidate, never the bookkeeping."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Caller:
    """A run goes on without its caller until it is settled and recorded; only the answering is cut short."""

    def __init__(self) -> None:
        self.has_left = False
        self._answering: asyncio.Task[object] | None = None

    def leave(self) -> None:
        self.has_left = True
        if self._answering is not None:
            self._answering.cancel()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """The block raises CancelledError when the caller leaves, or has left."""
        if self.has_left:
            raise asyncio.CancelledError
        self._answering = asyncio.current_task()
        try:
            yield
        except asyncio.CancelledError:
            if self.has_left and self._answering is not None:
                self._answering.uncancel()  # the task goes on, to settle and record
            raise
        finally:
            self._answering = None


current_caller: ContextVar[Caller | None] = ContextVar("current_caller", default=None)
