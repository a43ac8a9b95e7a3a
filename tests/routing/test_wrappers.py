"""The router that goes on when the inner one cannot decide, and says so."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from routing.base import Choice, Option, Router
from routing.errors import EncoderUnavailable, RoutingError, UnknownPolicy
from routing.forecasts import Weights
from routing.wrappers import FallbackRouter
from storage.errors import StorageUnavailable
from storage.records import Decision, Query, Reward
from tests.routing.doubles import a_decision, a_reward, an_option

OPTIONS = [an_option("a"), an_option("b"), an_option("c", mask_reason="too dear")]


class FailingRouter(Router):
    def __init__(self, error: Exception) -> None:
        self.error = error
        self.learned: list[str] = []

    async def route(
        self,
        query: Query,
        options: Sequence[Option],
        *,
        policy: str | None = None,
        weights: Weights | None = None,
    ) -> Choice:
        raise self.error

    def learn(self, decision: Decision, reward: Reward) -> None:
        self.learned.append(decision.id)


async def test_without_an_encoder_every_allowed_candidate_has_the_same_chance() -> None:
    router = FallbackRouter(FailingRouter(EncoderUnavailable("gone")), seed=1)
    choice = await router.route(Query(text="hello"), OPTIONS)
    assert choice.policy == "uniform (after encoder_unavailable)"
    assert [a.probability for a in choice.assessments] == [0.5, 0.5, 0.0]
    assert choice.candidate_id in {"a", "b"}
    assert (choice.context.task, choice.context.encoder) == ("unknown", "none")


async def test_each_fallback_draws_another_number() -> None:
    router = FallbackRouter(FailingRouter(RoutingError("broken")), seed=1)
    counters = [(await router.route(Query(text="hello"), OPTIONS)).rng_counter for _ in range(3)]
    assert counters == [0, 1, 2]


@pytest.mark.parametrize("error", [UnknownPolicy("No policy 'x'."), StorageUnavailable("locked")])
async def test_the_callers_mistake_and_other_floors_errors_still_raise(error: Exception) -> None:
    with pytest.raises(type(error)):
        await FallbackRouter(FailingRouter(error)).route(Query(text="hello"), OPTIONS)


async def test_rewards_reach_the_inner_router() -> None:
    inner = FailingRouter(RoutingError("broken"))
    router = FallbackRouter(inner)
    decision = a_decision(await router.route(Query(text="hello"), OPTIONS))
    router.learn(decision, a_reward(decision, 1.0))
    assert inner.learned == [decision.id]
