"""Models that fail rest for a while; each further failure doubles it."""

from __future__ import annotations

import pytest

from orchestrator.health import FIRST_REST_SECONDS, LONGEST_REST_SECONDS, TRIAL_SECONDS, ModelHealth


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


def test_who_asks_for_time_rests_at_once_and_no_longer_than_is_sensible(clock: Clock) -> None:
    health = ModelHealth(clock=clock)
    health.failed("m", "slow down", retry_after_seconds=30.0)
    assert health.reasons() == {"m": "failed 1 time in a row, next try in 30 s (slow down)"}
    assert health.seconds_to_trial() == 30.0
    health.failed("n", "slow down", retry_after_seconds=1e9)
    clock.now += LONGEST_REST_SECONDS
    assert health.reasons() == {}
    assert health.seconds_to_trial() is None


def test_a_longer_wait_that_is_asked_for_while_it_rests_is_kept_to(clock: Clock) -> None:
    health = ModelHealth(clock=clock)
    health.failed("m", "slow down", retry_after_seconds=10.0)
    health.failed("m", "slow down", retry_after_seconds=60.0)
    clock.now += 59.0
    assert "m" in health.reasons()
    clock.now += 1.0
    assert health.reasons() == {}


def opened(clock: Clock, **endpoints: str) -> ModelHealth:
    """With a model `m` whose rest is over."""
    health = ModelHealth(clock=clock, model_to_endpoint=endpoints)
    health.failed("m", "down", retry_after_seconds=1.0)
    assert health.states() == dict.fromkeys(endpoints or {"m": ""}, "open")
    assert not health.admits("m", "early")
    clock.now += 1.0
    return health


def test_half_open_it_is_offered_to_one_query_at_a_time(clock: Clock) -> None:
    health = opened(clock)
    assert health.states() == {"m": "half_open"}
    assert health.reasons() == {}
    assert health.admits("m", "first")
    assert health.is_trial("m", "first")
    assert not health.admits("m", "second")
    assert health.reasons() == {"m": "failed 1 time in a row, is being tried by another query (down)"}
    health.released("second")
    assert not health.admits("m", "second")
    health.released("first")
    assert health.admits("m", "second")


def test_a_trial_that_succeeds_closes_it_and_one_that_fails_opens_it_for_longer(clock: Clock) -> None:
    health = opened(clock)
    assert health.admits("m", "first")
    health.failed("m", "down")
    assert health.reasons() == {"m": "failed 2 times in a row, next try in 5 s (down)"}
    clock.now += FIRST_REST_SECONDS
    assert health.admits("m", "second")
    health.succeeded("m")
    assert health.states() == {}
    assert not health.is_trial("m", "second")


def test_a_trial_whose_end_nobody_told_is_forgotten(clock: Clock) -> None:
    health = opened(clock)
    assert health.admits("m", "lost")
    clock.now += TRIAL_SECONDS
    assert health.reasons() == {}
    assert health.admits("m", "next")


def test_a_query_that_must_not_fail_again_is_offered_no_trial(clock: Clock) -> None:
    health = opened(clock)
    assert health.reasons(has_trials=False) == {"m": "failed 1 time in a row, next try by another query (down)"}


def test_models_of_one_endpoint_share_its_breaker(clock: Clock) -> None:
    health = opened(clock, m="http://one/v1 x", same="http://one/v1 x")
    assert health.admits("same", "first")
    assert set(health.reasons()) == {"m", "same"}
    health.succeeded("same")
    assert health.reasons() == health.states() == {}
