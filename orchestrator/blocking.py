"""The same verbs for code that is not async: a thin shell with an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
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
        self._wait(self._wrapped.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._wait(self._wrapped.__aexit__(kind, error, traceback))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        call = getattr(self._wrapped, verb)
        return lambda *arguments, **options: self._wait(call(*arguments, **options))

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
