"""Models that fail rest for a while; each further failure doubles it."""

from __future__ import annotations

import pytest

from orchestrator.health import FIRST_REST_SECONDS, LONGEST_REST_SECONDS, ModelHealth


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_one_failure_is_forgiven_and_two_give_a_rest(clock: Clock) -> None:
    health = ModelHealth(clock=clock)
    health.failed("m", "down")
    assert health.reasons() == {}
    health.failed("m", "down")
    assert health.reasons() == {"m": "failed 2 times in a row, next try in 5 s (down)"}
    clock.now += FIRST_REST_SECONDS
    assert health.reasons() == {}


def test_each_further_failure_doubles_the_rest_up_to_a_limit(clock: Clock) -> None:
    health = ModelHealth(clock=clock)
    health.failed("m", "down")
    health.failed("m", "down")
    clock.now += FIRST_REST_SECONDS
    health.failed("m", "down")
    clock.now += 2 * FIRST_REST_SECONDS - 0.1
    assert "m" in health.reasons()
    for _ in range(100):
        clock.now += LONGEST_REST_SECONDS
        health.failed("m", "down")
    clock.now += LONGEST_REST_SECONDS
    assert health.reasons() == {}


def test_calls_that_were_under_way_when_the_rest_began_do_not_lengthen_it(clock: Clock) -> None:
    health = ModelHealth(clock=clock)
    for _ in range(8):
        health.failed("m", "down")
    clock.now += FIRST_REST_SECONDS
    assert health.reasons() == {}


def test_success_clears_it_and_concerns_no_other(clock: Clock) -> None:
    health = ModelHealth(clock=clock)
    for name in ("m", "m", "n", "n"):
        health.failed(name, "down")
    health.succeeded("m")
    assert set(health.reasons()) == {"n"}
    health.failed("m", "down")
    assert set(health.reasons()) == {"n"}
