"""How candidates are just now takes something off their scores, by name and within bounds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from routing.base import Condition, Context, Lesson
from routing.conditions import ConditionWeights, penalties
from routing.policies.energy_reward import EnergyReward
from routing.registry import make_policy
from storage.errors import InvalidInput
from tests.routing.doubles import a_context, total

BANDITS = pytest.mark.parametrize("name", ["linucb", "lints"])
ARMS = ("a", "b", "c")


def in_condition(**arm_to_condition: Condition) -> Context:
    return replace(a_context(), arm_to_condition=arm_to_condition)


def test_without_conditions_nothing_is_taken_off() -> None:
    assert penalties(ARMS, a_context()) == [{}, {}, {}]
    same = Condition(load=3, joules=5.0)
    assert penalties(ARMS, in_condition(a=same, b=same, c=same)) == [{}, {}, {}]


def test_the_busiest_slowest_hungriest_and_coldest_lose_no_more_than_the_weights() -> None:
    worst = Condition(load=900, response_seconds=1e6, joules=1e9, is_warm=False, cold_start_seconds=1e5)
    best = Condition(load=0, response_seconds=0.1, joules=1.0)
    middle = Condition(load=2, response_seconds=1.0, joules=30.0)
    weights = ConditionWeights(load=0.1, response_time=0.2, energy=0.3, cold_start=0.4)
    of_best, of_middle, of_worst = penalties(ARMS, in_condition(a=best, b=middle, c=worst), weights)
    assert set(of_worst) == {"load", "response_time", "energy", "cold_start"}
    assert of_best == {"load": 0.0, "response_time": 0.0, "energy": 0.0, "cold_start": 0.0}
    for part, weight in {"load": 0.1, "response_time": 0.2, "energy": 0.3, "cold_start": 0.4}.items():
        assert -weight - 1e-12 <= of_worst[part] <= of_middle[part] <= of_best[part] <= 0.0
    assert total(of_worst) == pytest.approx(-1.0)


def test_a_small_difference_takes_off_little() -> None:
    _, busier = penalties(["a", "b"], in_condition(a=Condition(load=0), b=Condition(load=1)))
    assert busier["load"] == pytest.approx(-0.05 / 4, rel=0.15)


def test_what_is_not_known_counts_as_the_median() -> None:
    known = {"a": Condition(response_seconds=1.0), "b": Condition(response_seconds=5.0), "c": Condition()}
    of_a, of_b, of_c = penalties(ARMS, in_condition(**known))
    assert of_a["response_time"] > of_c["response_time"] > of_b["response_time"]
    assert penalties(["newcomer"], in_condition(**known))[0]["response_time"] == pytest.approx(of_c["response_time"])


@BANDITS
def test_the_decision_shows_what_was_taken_off_and_the_cold_candidate_loses(name: str) -> None:
    policy = make_policy(name)
    for _ in range(60):
        for arm in ("a", "b"):
            policy.update(arm, a_context(), 0.6)
    even = policy.probabilities(["a", "b"], a_context())
    cold = Condition(is_warm=False, cold_start_seconds=20.0, load=6, joules=90.0)
    context = in_condition(a=cold, b=Condition(joules=10.0))
    assert even == pytest.approx([0.5, 0.5])
    probabilities = policy.probabilities(["a", "b"], context)
    assert probabilities[1] > 0.9
    of_cold = policy.scores(["a", "b"], context)[0]
    assert {"load", "energy", "cold_start"} <= set(of_cold)
    assert max(of_cold["load"], of_cold["energy"], of_cold["cold_start"]) < 0


@BANDITS
def test_what_is_masked_does_not_change_the_scores_of_the_others(name: str) -> None:
    policy, context = make_policy(name), in_condition(a=Condition(load=1), b=Condition(load=5), c=Condition(load=50))
    assert policy.scores(["a", "b"], context) == policy.scores(ARMS, context)[:2]


@BANDITS
def test_energy_counts_in_what_is_learned_where_it_has_a_weight(name: str) -> None:
    policy = make_policy(name, energy_weight=0.4)
    plain = make_policy(name)
    for _ in range(80):
        for each in (policy, plain):
            each.observe("a", a_context(), Lesson(reward=0.7, joules=400.0))
            each.observe("b", a_context(), Lesson(reward=0.65, joules=20.0))
    assert policy.probabilities(["a", "b"], a_context())[1] > 0.9
    assert plain.probabilities(["a", "b"], a_context())[0] > 0.5
    restored = make_policy(name, energy_weight=0.4)
    restored.restore(policy.state())
    assert restored.state() == policy.state()


def test_energy_reward_is_the_formula() -> None:
    energy = EnergyReward(0.25)
    assert energy.of(Lesson(reward=0.8, joules=10.0)) == pytest.approx(0.75 * 0.8 + 0.25 * 0.5)
    assert energy.of(Lesson(reward=0.8, joules=30.0)) == pytest.approx(0.75 * 0.8 + 0.25 * (1 - 30 / 50))
    assert energy.of(Lesson(reward=0.8)) == pytest.approx(0.75 * 0.8 + 0.25 * 0.5)
    assert EnergyReward().of(Lesson(reward=0.8, joules=10.0)) == 0.8


@pytest.mark.parametrize("state", [None, {}, {"count": "many", "joules": 1}])
def test_broken_energy_state_is_refused(state: object) -> None:
    with pytest.raises(InvalidInput, match="count and joules"):
        EnergyReward(0.5).restore(state)


@pytest.mark.parametrize("weight", [-0.1, 1.1])
def test_weights_lie_between_zero_and_one(weight: float) -> None:
    with pytest.raises(InvalidInput, match="must lie in"):
        ConditionWeights(load=weight)
    with pytest.raises(InvalidInput, match="must lie in"):
        EnergyReward(weight)


def test_who_fails_often_loses_for_it_and_who_failed_once_little() -> None:
    of_a, of_b, of_c = penalties(
        ARMS, in_condition(a=Condition(error_share=0.0), b=Condition(error_share=0.05), c=Condition(error_share=1.0))
    )
    assert of_a["errors"] == 0.0
    assert -0.01 < of_b["errors"] < 0.0
    assert of_c["errors"] == pytest.approx(-ConditionWeights().errors, rel=0.1)
