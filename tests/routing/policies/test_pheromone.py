"""The memory as a policy: estimators, contributions, forecasts and conditions, and false feedback."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from routing.base import ACTIVE, ArmForecasts, Condition, Context
from routing.forecasts import Reference, Weights
from routing.pheromone.estimators import ESTIMATORS
from routing.policies.amro_paper import AmroPaper
from routing.policies.pheromone import Pheromone
from routing.registry import make_policy
from storage.errors import InvalidInput
from tests.routing.doubles import a_context, total
from tests.routing.pheromone.lessons import ARMS, a_lesson, about, unit_vectors

every_estimator = pytest.mark.parametrize("estimator", sorted(ESTIMATORS))


def forecast_for(context: Context, quality: dict[str, float]) -> Context:
    forecasts = ArmForecasts(
        version_id="v1",
        sha256="0" * 64,
        reference=Reference(candidate="large", quality=0.9, cost_usd=1.0),
        arm_to_place={arm: place for place, arm in enumerate(quality)},
        quality=np.array(list(quality.values())),
        cost_usd=np.zeros(len(quality)),
    )
    return replace(context, forecasts={ACTIVE: forecasts})


@every_estimator
def test_success_draws_choices(estimator: str) -> None:
    policy = Pheromone(estimator=estimator)
    for number in range(120):
        arm = ARMS[number % 4]
        policy.update(arm, a_context("code"), 0.9 if arm == "tools" else 0.2)
    probabilities = dict(zip(ARMS, policy.probabilities(ARMS, a_context("code")).tolist(), strict=True))
    assert probabilities["tools"] > 0.7
    assert sum(probabilities.values()) == pytest.approx(1.0)


@every_estimator
def test_contributions_say_why_and_add_up_to_what_decides(estimator: str) -> None:
    policy = Pheromone(estimator=estimator)
    vector = unit_vectors(1)[0]
    for number in range(40):
        policy.observe(ARMS[number % 4], about(vector), a_lesson(float(number % 4 == 1), payload_id="payload_1"))
    busy = replace(about(vector), arm_to_condition={arm: Condition(load=place) for place, arm in enumerate(ARMS)})
    scores = policy.scores(ARMS, busy)
    probabilities = policy.probabilities(ARMS, busy)
    assert ARMS[int(np.argmax([total(parts) for parts in scores]))] == ARMS[int(probabilities.argmax())] == "large"
    names = {name for parts in scores for name in parts}
    if estimator == "greedy_trail":
        assert names == {"trail", "heuristic"}
    else:
        assert {"overall_mean", "task_adjustment", "neighbours", "load"} <= names
        assert ("exploration_bonus" in names) == (estimator == "ucb")


@every_estimator
def test_load_turns_choices_away(estimator: str) -> None:
    policy = Pheromone(estimator=estimator)
    busy = {arm: Condition(load=9 if arm == "small" else 0) for arm in ARMS}
    probabilities = policy.probabilities(ARMS, replace(a_context(), arm_to_condition=busy))
    assert probabilities[0] == probabilities.min() < 0.25


def test_a_forecast_is_what_is_expected_before_anything_was_seen() -> None:
    policy = Pheromone(weights=Weights(quality=1.0))
    context = forecast_for(a_context("code"), {"small": 0.1, "large": 0.9})
    scores = dict(zip(ARMS, policy.scores(ARMS, context), strict=True))
    assert scores["large"]["overall_mean"] == pytest.approx(0.9)
    assert scores["small"]["overall_mean"] == pytest.approx(0.1)
    assert scores["tools"]["overall_mean"] == pytest.approx(0.5)
    for _ in range(30):
        policy.update("large", a_context("code"), 0.0)
    assert total(policy.scores(["large"], context)[0]) < 0.2


def test_what_is_known_of_the_very_query_decides() -> None:
    policy = Pheromone()
    one, other = unit_vectors(2)
    for _ in range(6):
        policy.observe("small", about(one), a_lesson(1.0, payload_id="payload_one"))
        policy.observe("large", about(one), a_lesson(0.0, payload_id="payload_one"))
        policy.observe("small", about(other), a_lesson(0.0, payload_id="payload_other"))
        policy.observe("large", about(other), a_lesson(1.0, payload_id="payload_other"))
    arms = ("large", "small")
    assert policy.probabilities(arms, about(one)).argmax() == 1
    assert policy.probabilities(arms, about(other)).argmax() == 0


def test_false_feedback_of_one_among_twenty_moves_little() -> None:
    def share(lies: bool) -> float:
        policy = Pheromone()
        rng = np.random.default_rng(4)
        for number in range(1200):
            tenant, arm = number % 20, ARMS[int(rng.integers(2))]
            good = float(rng.random() < (0.8 if arm == "large" else 0.5))
            reward = 1.0 - good if lies and tenant == 0 else good
            policy.observe(arm, a_context("code"), a_lesson(reward, tenant=f"tenant {tenant}"))
        return float(policy.probabilities(ARMS[:2], a_context("code"))[1])

    assert abs(share(lies=True) - share(lies=False)) < 0.02


def test_the_printed_rule_cannot_tell_who_succeeds() -> None:
    policy = AmroPaper()
    rng = np.random.default_rng(0)
    for number in range(3000):
        arm = ARMS[number % 2]
        success = float(rng.random() < (0.95 if arm == "large" else 0.3))
        policy.observe(arm, a_context("code", weight=1.0), a_lesson(success, cost_usd=1.0))
    small, large = policy.probabilities(ARMS[:2], a_context("code", weight=1.0))
    assert small == pytest.approx(large, abs=0.01)


def test_a_decision_names_the_memory_that_chose_without_hashing_all_of_it() -> None:
    policy = Pheromone()
    assert policy.identity(a_context()) is None
    policy.update("small", a_context(), 1.0)
    first = policy.identity(a_context())
    policy.update("small", a_context(), 1.0)
    second = policy.identity(a_context())
    assert first is not None
    assert second is not None
    assert first.sha256 != second.sha256
    assert len(second.sha256) == 64


def test_wrong_options_are_refused() -> None:
    with pytest.raises(InvalidInput, match="did you mean 'thompson'"):
        make_policy("pheromone", estimator="tompson")
    with pytest.raises(InvalidInput, match="half-life"):
        make_policy("pheromone", half_life_days=0.0)
