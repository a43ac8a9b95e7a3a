"""The same verbs for code that is not async: a thin shell with an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Self


class Blocking:
    """Wraps an Orchestrator or a Client; each call waits for its answer. Use `with`, and the wrapped one's verbs.

    >>> with Blocking(Orchestrator()) as antroute:
    ...     print(antroute.run("What is 17% of 2340?").answer)
    """

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="antroute-blocking", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._wait(self._wrapped.__aenter__())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._wait(self._wrapped.__aexit__(kind, error, traceback))
        finally:
            self._end()

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        call = getattr(self._wrapped, verb)

        def wait(*arguments: Any, **options: Any) -> Any:
            work = call(*arguments, **options)
            return self._each(work) if isinstance(work, AsyncGenerator) else self._wait(work)

        return wait

    def _each(self, pieces: AsyncGenerator[Any, None]) -> Iterator[Any]:
        """The pieces of a stream as they come; leaving the loop early closes it."""
        end = object()
        try:
            while (piece := self._wait(_next(pieces, end))) is not end:
                yield piece
        finally:
            self._wait(pieces.aclose())

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:  # Ctrl-C, say: nobody waits for it any more
            future.cancel()
            raise

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _next(pieces: AsyncGenerator[Any, None], end: object) -> Any:
    return await anext(pieces, end)
