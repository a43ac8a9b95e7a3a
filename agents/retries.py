"""When a model's failure is worth another try, and which error of ours a status is; calls nothing itself."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from random import SystemRandom
from typing import TypeVar

import stamina

from agents.errors import ModelRefused, ModelUnavailable

MAX_ATTEMPTS = 3
WAIT_INITIAL_SECONDS = 0.1
WAIT_LIMIT_SECONDS = 5.0
ASKED_WAIT_LIMIT_SECONDS = 2.0  # who asks for a longer wait is not waited for: another model may answer sooner
RETRIED_STATUSES = frozenset({429, 502, 503, 504})
CHANCE = SystemRandom()
MODEL_DOWN_STATUSES = frozenset({408, 425})  # 4xx that another moment or another model may cure


T = TypeVar("T")


class TransientFailure(ModelUnavailable):
    """Nothing was received yet, and the same request may well succeed in a moment."""


def status_error(
    status: int, message: str, *, retry_after_seconds: float | None = None
) -> ModelUnavailable | ModelRefused:
    """The error for an answer with this HTTP status (not 200)."""
    if status in RETRIED_STATUSES:
        return TransientFailure(message, retry_after_seconds=retry_after_seconds)
    if status >= 500 or status in MODEL_DOWN_STATUSES:
        return ModelUnavailable(message, retry_after_seconds=retry_after_seconds)
    return ModelRefused(message)


@cache
def _quiet() -> None:
    """What became of a call stands in its outcome; stamina would write each retry to stdout, where structlog is."""
    stamina.instrumentation.set_on_retry_hooks(())


def attempts(*, max_attempts: int, timeout_seconds: float) -> AsyncIterator[stamina.Attempt]:
    """Attempts to loop over, with growing, jittered waits between them, as long as TransientFailure is raised.

    A wait that the model asked for is kept to, and a little of chance added, so that not all come back at one moment;
    if it asks for more than ASKED_WAIT_LIMIT_SECONDS or than is left of the time, there is no other try.
    """
    _quiet()
    deadline = time.monotonic() + timeout_seconds

    def wait_before_next(exc: Exception) -> bool | float:
        if not isinstance(exc, TransientFailure):
            return False
        if exc.retry_after_seconds is None:
            return True
        wait = exc.retry_after_seconds + CHANCE.uniform(0.0, WAIT_INITIAL_SECONDS)
        is_short = exc.retry_after_seconds <= ASKED_WAIT_LIMIT_SECONDS and time.monotonic() + wait < deadline
        return wait if is_short else False

    return aiter(
        stamina.retry_context(
            on=wait_before_next,
            attempts=max_attempts,
            timeout=timeout_seconds,
            wait_initial=WAIT_INITIAL_SECONDS,
            wait_max=WAIT_LIMIT_SECONDS,
            wait_jitter=WAIT_INITIAL_SECONDS,
        )
    )


async def sent(send: Callable[[], Awaitable[T]], *, max_attempts: int, timeout_seconds: float) -> T:
    """What one of the `attempts` gives. The first is made without them, for most calls need no other."""
    deadline = time.monotonic() + timeout_seconds
    try:
        return await send()
    except TransientFailure as exc:
        first: TransientFailure | None = exc
    async for attempt in attempts(max_attempts=max_attempts, timeout_seconds=deadline - time.monotonic()):
        with attempt:
            if first is not None:
                failure, first = first, None
                raise failure
            return await send()
    raise RuntimeError("The attempts ended with neither a result nor an error.")
