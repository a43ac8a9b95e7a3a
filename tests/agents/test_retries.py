"""What is tried again, how long is waited for it, and that nothing is written about it."""

from __future__ import annotations

import time

import pytest

from agents.errors import ModelRefused, ModelUnavailable
from agents.retries import ASKED_WAIT_LIMIT_SECONDS, WAIT_INITIAL_SECONDS, TransientFailure, attempts, status_error


async def tries(*errors: Exception, timeout_seconds: float = 30.0) -> tuple[int, float]:
    """How often it was tried, and the seconds between the first and the last try; the last error is passed on."""
    count, began = 0, time.monotonic()
    async for attempt in attempts(max_attempts=3, timeout_seconds=timeout_seconds):
        with attempt:
            count += 1
            if count <= len(errors):
                raise errors[count - 1]
    return count, time.monotonic() - began


async def test_what_passes_is_tried_again_after_a_moment() -> None:
    count, seconds = await tries(TransientFailure("busy"))
    assert count == 2
    assert WAIT_INITIAL_SECONDS <= seconds < 5.0


async def test_an_asked_wait_is_kept_to_with_a_little_of_chance_added() -> None:
    count, seconds = await tries(TransientFailure("busy", retry_after_seconds=0.2))
    assert count == 2
    assert 0.2 <= seconds < 5.0


@pytest.mark.parametrize(
    ("asked_seconds", "timeout_seconds"), [(ASKED_WAIT_LIMIT_SECONDS + 0.1, 30.0), (1.0, 0.5)], ids=["long", "no time"]
)
async def test_a_wait_that_is_too_long_is_told_at_once(asked_seconds: float, timeout_seconds: float) -> None:
    began = time.monotonic()
    with pytest.raises(TransientFailure) as caught:
        await tries(TransientFailure("busy", retry_after_seconds=asked_seconds), timeout_seconds=timeout_seconds)
    assert caught.value.retry_after_seconds == asked_seconds
    assert time.monotonic() - began < 0.5


@pytest.mark.parametrize(
    "error", [ModelUnavailable("sent", may_be_billed=True), ModelRefused("wrong")], ids=["may be billed", "refused"]
)
async def test_nothing_else_is_tried_again(error: Exception) -> None:
    with pytest.raises(type(error)):
        await tries(error)


async def test_a_retry_writes_nothing(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    await tries(TransientFailure("canary"))
    assert capsys.readouterr() == ("", "")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, TransientFailure), (503, TransientFailure), (500, ModelUnavailable), (408, ModelUnavailable),
     (400, ModelRefused), (302, ModelRefused)],
)  # fmt: skip
def test_each_status_is_one_error(status: int, kind: type[Exception]) -> None:
    assert type(status_error(status, "x")) is kind
