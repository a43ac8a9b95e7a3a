"""What the service sees of its candidates while they work."""

from __future__ import annotations

import pytest

from agents.errors import ModelRefused, ModelUnavailable
from orchestrator.conditions import RECENT_SECONDS, LiveConditions
from orchestrator.rewards import USUAL_CALL
from routing.base import Condition
from storage.records import Candidate, ModelCard
from tests.conftest import MakeService, fails


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def a_candidate(id: str = "one", model: str = "m", **card: object) -> Candidate:
    return Candidate(id=id, agent="single_turn", model=model, card=ModelCard(model=model, **card))


def answered(live: LiveConditions, clock: Clock, candidate: Candidate, seconds: float) -> None:
    with live.under_way(candidate):
        clock.now += seconds


def test_of_a_candidate_that_nobody_asked_little_is_known() -> None:
    assert LiveConditions().of(a_candidate()) == Condition()


def test_calls_under_way_count_for_the_model_and_end_with_the_block() -> None:
    live = LiveConditions()
    first, second = a_candidate("first"), a_candidate("second")
    with live.under_way(first), live.under_way(second):
        assert live.of(first).load == live.of(second).load == 2
        assert live.of(a_candidate("third", model="other")).load == 0
    with pytest.raises(ValueError, match="broke"), live.under_way(first):
        raise ValueError("broke")
    assert live.of(first).load == 0


def test_response_time_is_the_median_of_recent_answers_and_failures_do_not_count() -> None:
    clock = Clock()
    live, one = LiveConditions(clock=clock), a_candidate()
    for seconds in (1.0, 9.0, 2.0):
        answered(live, clock, one, seconds)
    with pytest.raises(ValueError, match="broke"), live.under_way(one):
        clock.now += 100.0
        raise ValueError("broke")
    assert live.of(one).response_seconds == 2.0
    assert live.of(a_candidate("other")).response_seconds is None
    clock.now += RECENT_SECONDS
    assert live.of(one).response_seconds is None


def test_a_local_model_that_is_not_loaded_is_cold() -> None:
    loaded = {"m"}
    live = LiveConditions(model_to_is_loaded={name: lambda name=name: name in loaded for name in ("m", "n")})
    assert live.of(a_candidate()).is_warm
    assert live.of(a_candidate(model="remote")).is_warm
    cold = live.of(a_candidate(model="n", cold_start_seconds=7.5))
    assert (cold.is_warm, cold.cold_start_seconds) == (False, 7.5)
    assert live.of(a_candidate(model="n")).cold_start_seconds == 2.0


def test_energy_is_that_of_a_usual_call_by_the_card() -> None:
    condition = LiveConditions().of(a_candidate(joules_per_input_token=0.5, joules_per_output_token=2.0))
    assert condition.joules == pytest.approx(0.5 * USUAL_CALL.input + 2.0 * USUAL_CALL.output)


def test_each_call_is_told() -> None:
    heard: list[str] = []
    live = LiveConditions(on_call=heard.append)
    with live.under_way(a_candidate()), live.under_way(a_candidate(model="n")):
        assert heard == ["m", "n"]


def test_the_share_of_failures_is_the_model_s_and_refusals_do_not_count() -> None:
    clock = Clock()
    live, one, other = LiveConditions(clock=clock), a_candidate(), a_candidate("other")
    assert live.of(one).error_share is None
    for candidate in (one, other, one):
        answered(live, clock, candidate, 1.0)
    with pytest.raises(ModelUnavailable), live.under_way(one):
        raise ModelUnavailable("down")
    with pytest.raises(ModelRefused), live.under_way(one):
        raise ModelRefused("too long")
    assert live.of(one).error_share == live.of(other).error_share == 0.25
    clock.now += RECENT_SECONDS + 1.0
    assert live.of(one).error_share is None


async def test_what_was_seen_of_a_remote_model_reaches_the_options_of_the_next_query(make_service: MakeService) -> None:
    service = await make_service(small=fails, policy="cheapest")
    await service.run("What is the capital of France?")
    state = service.start("What is the capital of Spain?", {})
    conditions = {each.candidate.id: each.condition for each in await service.nodes.candidacies(state)}
    small, large = conditions["small"], conditions["large"]
    assert small is not None
    assert large is not None
    assert (small.error_share, small.response_seconds) == (1.0, None)
    assert large.error_share == 0.0
    assert large.response_seconds is not None
