"""When a model's failure is worth another try, and which error of ours a status is; calls nothing itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import stamina

from agents.errors import ModelRefused, ModelUnavailable

MAX_ATTEMPTS = 3
WAIT_INITIAL_SECONDS = 0.1
WAIT_LIMIT_SECONDS = 5.0  # who is told to wait longer than this is told so, instead of waiting here
RETRIED_STATUSES = frozenset({429, 502, 503, 504})
MODEL_DOWN_STATUSES = frozenset({408, 425})  # 4xx that another moment or another model may cure


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


def attempts(*, max_attempts: int, timeout_seconds: float) -> AsyncIterator[stamina.Attempt]:
    """Attempts to loop over, with growing waits between them, as long as TransientFailure is raised.

    A wait that the model asked for is kept to, up to WAIT_LIMIT_SECONDS; if it asks for more, there is no other try.
    """

    def wait_before_next(exc: Exception) -> bool | float:
        if not isinstance(exc, TransientFailure):
            return False
        wait = exc.retry_after_seconds
        if wait is None:
            return True
        return wait if wait < min(WAIT_LIMIT_SECONDS, timeout_seconds) else False

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
