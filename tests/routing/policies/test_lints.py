"""LinTS and LinUCB on streams of known rewards: regret, arms that come and go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from routing.policies.lints import LinTS, features
from routing.registry import make_policy
from routing.router import sample
from storage.errors import InvalidInput
from tests.routing.doubles import a_context
from tests.routing.simulation import play, synthetic_rounds

SEEDS = range(200, 205)
ROUNDS = 600
BANDITS = pytest.mark.parametrize("name", ["linucb", "lints"])


@BANDITS
def test_regret_is_below_uniform_in_every_seed_and_near_the_best_arm_of_each_task(name: str) -> None:
    for seed in SEEDS:
        rounds = synthetic_rounds(seed=seed, count=ROUNDS)
        means = np.stack([each.means for each in rounds])
        oracle, static = means.max(axis=1).mean(), means.mean(axis=0).max()
        regret = oracle - play(make_policy(name), rounds, seed=seed)
        assert regret < 0.5 * (oracle - means.mean()), seed
        assert regret < oracle - static + 0.02, seed


@BANDITS
def test_the_second_half_regrets_less_than_the_first(name: str) -> None:
    first, second = [], []
    for seed in SEEDS:
        rounds = synthetic_rounds(seed=seed, count=ROUNDS)
        policy = make_policy(name)
        halves = (rounds[: ROUNDS // 2], rounds[ROUNDS // 2 :])
        gaps = [np.stack([each.means for each in half]).max(axis=1).mean() for half in halves]
        first.append(gaps[0] - play(policy, halves[0], seed=seed))
        second.append(gaps[1] - play(policy, halves[1], seed=seed))
    assert np.mean(second) < 0.8 * np.mean(first)


@BANDITS
def test_a_better_arm_that_comes_late_is_found_and_one_that_left_comes_back_as_it_was(name: str) -> None:
    policy, context = make_policy(name), a_context()
    rng, worth = np.random.default_rng(4), {"old": 0.5, "other": 0.3, "late": 0.8}

    def shares(arms: list[str], rounds: int) -> dict[str, float]:
        picked: list[str] = []
        for counter in range(rounds):
            arm = sample(policy.probabilities(arms, context).tolist(), arms, seed=9, counter=counter)
            policy.update(arm, context, float(np.clip(worth[arm] + rng.normal(scale=0.1), 0, 1)))
            picked.append(arm)
        return {arm: picked.count(arm) / rounds for arm in arms}

    assert shares(["old", "other"], 150)["old"] > 0.8
    before = policy.scores(["other"], context)[0]["predicted_reward"]
    assert shares(["old", "late"], 60)["late"] > 0.6
    assert policy.scores(["other"], context)[0]["predicted_reward"] == before
    assert shares(["old", "other", "late"], 100)["late"] > 0.8


def test_an_arm_that_was_never_seen_is_expected_to_earn_the_prior() -> None:
    policy = LinTS(prior_reward=0.7)
    assert policy.scores(["new"], a_context())[0]["predicted_reward"] == pytest.approx(0.7)
    for _ in range(50):
        policy.update("known", a_context(), 0.5)
    assert policy.probabilities(["known", "new"], a_context())[1] > 0.5


def test_probabilities_are_those_of_sampling_from_the_posterior() -> None:
    """Against 200,000 draws of three arms; tolerance 0.01, without the floor."""
    policy, rng = LinTS(exploration=1e-9, alpha=0.3, ridge=0.5), np.random.default_rng(8)
    xs, arms = rng.uniform(size=(60, 4)), ["a", "b", "c"]
    for x, arm in zip(xs, arms * 20, strict=True):
        policy.update(arm, replace(a_context(), vector=x), float(rng.uniform()))
    context = replace(a_context(), vector=xs[0])
    x, draws = features(context), []
    for arm in arms:
        regression = policy._regressions.of(arm, x)
        thetas = rng.multivariate_normal(regression.theta, 0.3**2 * regression.inverse, size=200_000)
        draws.append(thetas @ x)
    sampled = np.bincount(np.argmax(draws, axis=0), minlength=3) / 200_000
    np.testing.assert_allclose(policy.probabilities(arms, context), sampled, atol=0.01)


def test_a_context_of_another_length_and_a_width_of_zero_are_refused() -> None:
    policy = LinTS()
    policy.update("arm", a_context(), 0.5)
    with pytest.raises(InvalidInput, match="LinTS learned contexts of length 4 for arm 'arm' and got one of length 3"):
        policy.probabilities(["arm"], a_context(tasks=("arithmetic", "code")))
    with pytest.raises(InvalidInput, match="Alpha is 0"):
        LinTS(alpha=0)
