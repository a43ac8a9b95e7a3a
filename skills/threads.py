"""Runs a blocking call in a thread that can be left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from types import TracebackType

from skills.errors import SkillFailed

MAX_THREADS = 64  # calls at once, those left behind included

_slots = threading.BoundedSemaphore(MAX_THREADS)


class _Finished:
    """What a call returned or raised; as a context manager it takes whatever is raised inside it."""

    result: object = None
    error: BaseException | None = None

    def __enter__(self) -> _Finished:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.error = error
        return True


async def in_daemon_thread(call: Callable[[], object]) -> object:
    """The call's result. Unlike asyncio.to_thread, a call that hangs blocks neither a pool nor the end of the program.

    Raises what the call raises, and SkillFailed when MAX_THREADS calls are under way or the call tried to exit.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_Finished] = loop.create_future()
    context = copy_context()
    if not _slots.acquire(blocking=False):
        raise SkillFailed(f"{MAX_THREADS} calls of skills are under way already.", hint="Try again in a moment.")

    def work() -> None:
        with _Finished() as finished:
            finished.result = context.run(call)
        _slots.release()
        with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
            loop.call_soon_threadsafe(_hand_over, future, finished)

    threading.Thread(target=work, name="skill", daemon=True).start()
    finished = await future
    if isinstance(finished.error, Exception):
        raise finished.error
    if finished.error is not None:
        raise SkillFailed(f"The skill tried to end the program: {finished.error!r}.") from finished.error
    return finished.result


def _hand_over(future: asyncio.Future[_Finished], finished: _Finished) -> None:
    if not future.done():  # else nobody waits any more
        future.set_result(finished)
