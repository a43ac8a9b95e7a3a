"""What single policies promise beyond the common properties."""

from __future__ import annotations

import math

import numpy as np
import pytest

from routing.base import Context
from routing.chances import chances_of_best, normal_cdf
from routing.policies.best_single import BestSingle
from routing.policies.cells import Cells
from routing.policies.cheapest import Cheapest
from routing.policies.linucb import LinUCB
from routing.policies.table import Table
from routing.policies.thompson import Thompson
from storage.errors import InvalidInput
from tests.routing.doubles import a_context

PURE = {"arithmetic": 1.0}


def test_table_chooses_by_task_and_best_single_does_not() -> None:
    table, single = Table(), BestSingle()
    for policy in (table, single):
        for _ in range(20):
            policy.update("poet", a_context("facts"), 0.9)
            policy.update("poet", a_context("code"), 0.2)
            policy.update("coder", a_context("facts"), 0.3)
            policy.update("coder", a_context("code"), 1.0)
    arms = ["coder", "poet"]
    assert table.probabilities(arms, a_context("facts"))[1] > 0.9
    assert table.probabilities(arms, a_context("code"))[0] > 0.9
    np.testing.assert_array_equal(
        single.probabilities(arms, a_context("facts")), single.probabilities(arms, a_context("code"))
    )


def test_cell_without_rewards_has_the_mean_of_its_arm() -> None:
    cells = Cells()
    for _ in range(99):
        cells.add("arm", {"code": 1.0}, 0.9)
    estimate = cells.estimate("arm", {"facts": 1.0})
    assert estimate.mean == estimate.overall_mean == pytest.approx((0.5 + 99 * 0.9) / 100)
    assert estimate.count == 0


def test_cell_estimate_is_the_formula() -> None:
    cells = Cells()
    cells.add("arm", PURE, 1.0)
    cells.add("arm", PURE, 0.5)
    estimate = cells.estimate("arm", PURE)
    assert estimate.overall_mean == pytest.approx((0.5 + 1.5) / 3)
    assert estimate.mean == pytest.approx((2 / 3 + 1.5) / 3)
    assert estimate.variance == pytest.approx(1 / 3 + (1 / 3) ** 2 / 3)


def test_every_arm_is_tried_soon_even_if_the_first_one_is_good() -> None:
    policy, arms = Table(), [f"arm {number}" for number in range(6)]
    tried = set()
    for _ in range(12):
        best = arms[int(policy.probabilities(arms, a_context()).argmax())]
        tried.add(best)
        policy.update(best, a_context(), 0.6)
    assert tried == set(arms)


def test_thompson_probability_of_two_arms_is_the_closed_form() -> None:
    """P(a > b) = Φ((m_a - m_b) / √(s_a² + s_b²)); tolerance 1e-4."""
    policy = Thompson(exploration=1e-9)
    for reward in (0.7, 0.9, 0.8):
        policy.update("a", a_context(), reward)
    for reward in (0.6, 0.8):
        policy.update("b", a_context(), reward)
    mixture = a_context().task_mixture
    a, b = (policy._cells.estimate(arm, mixture) for arm in "ab")
    spread = policy.width * math.sqrt(a.variance + b.variance)
    expected = 0.5 * (1 + math.erf((a.mean - b.mean) / spread / math.sqrt(2)))
    assert policy.probabilities(["a", "b"], a_context())[0] == pytest.approx(expected, abs=1e-4)


def test_thompson_probabilities_are_those_of_sampling() -> None:
    """Against 200,000 draws of four arms; tolerance 0.005."""
    means, deviations = np.array([0.5, 0.55, 0.4, 0.6]), np.array([0.1, 0.05, 0.2, 0.08])
    draws = np.random.default_rng(3).normal(means, deviations, size=(200_000, 4))
    sampled = np.bincount(draws.argmax(axis=1), minlength=4) / len(draws)
    np.testing.assert_allclose(chances_of_best(means, deviations), sampled, atol=0.005)


def test_normal_cdf_agrees_with_the_error_function() -> None:
    z = np.linspace(-6, 6, 241)
    exact = [0.5 * (1 + math.erf(value / math.sqrt(2))) for value in z]
    np.testing.assert_allclose(normal_cdf(z), exact, atol=1e-7)


def test_linucb_inverse_is_the_inverse_of_what_it_saw() -> None:
    rng = np.random.default_rng(1)
    policy, xs, rewards = LinUCB(alpha=0.3, ridge=0.5), rng.uniform(size=(200, 5)), rng.uniform(size=200)
    contexts = [Context(task="t", task_mixture={"t": 1.0}, vector=x, encoder="test") for x in xs]
    for context, reward in zip(contexts, rewards, strict=True):
        policy.update("arm", context, float(reward))
    gram = 0.5 * np.eye(5) + xs.T @ xs
    theta = np.linalg.solve(gram, xs.T @ rewards)
    score = policy.scores(["arm"], contexts[0])[0]
    assert score["predicted_reward"] == pytest.approx(float(xs[0] @ theta))
    bonus = 0.3 * math.sqrt(float(xs[0] @ np.linalg.solve(gram, xs[0])))
    assert score["exploration_bonus"] == pytest.approx(bonus)


def test_linucb_refuses_a_context_of_another_length() -> None:
    policy = LinUCB()
    policy.update("arm", a_context(), 0.5)
    with pytest.raises(InvalidInput, match="length 4 for arm 'arm' and got one of length 3"):
        policy.probabilities(["arm"], a_context(tasks=("arithmetic", "code")))


@pytest.mark.parametrize("state", [{}, {"arms": 3}, {"arms": {"a": {"inverse": [[1.0]], "moment": [1.0, 2.0]}}}])
def test_linucb_refuses_a_broken_state_and_keeps_its_own(state: dict[str, object]) -> None:
    policy = LinUCB()
    policy.update("arm", a_context(), 0.5)
    before = policy.state()
    with pytest.raises(InvalidInput, match="inverse and moment"):
        policy.restore(state)
    assert policy.state() == before


@pytest.mark.parametrize("state", [{}, {"cells": [1]}, {"cells": {"arm": {"code": [1]}}}, {"cells": {"arm": 3}}])
def test_table_refuses_a_broken_state_and_keeps_its_own(state: dict[str, object]) -> None:
    policy = Table()
    policy.update("arm", a_context(), 0.5)
    before = policy.state()
    with pytest.raises(InvalidInput, match="arm to task to"):
        policy.restore(state)
    assert policy.state() == before


def test_cheapest_prefers_the_lowest_price_and_never_an_unpriced_arm() -> None:
    policy = Cheapest(arm_to_price_usd={"small": 0.1, "large": 3.0})
    probabilities = policy.probabilities(["large", "small", "unpriced"], a_context())
    assert probabilities.argmax() == 1
    assert policy.scores(["small"], a_context()) == [{"price": -0.1}]


@pytest.mark.parametrize("exploration", [0.0, -0.1, 1.5])
def test_exploration_that_starves_an_arm_is_refused(exploration: float) -> None:
    with pytest.raises(InvalidInput, match="above 0 and at most 1"):
        Table(exploration=exploration)


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(InvalidInput, match="Ridge is 0"):
        LinUCB(ridge=0)
    with pytest.raises(InvalidInput, match="Width is 0"):
        Thompson(width=0)
