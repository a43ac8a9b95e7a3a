"""Policies judged where the truth is known: six tasks, six arms, rewards of known means."""

from __future__ import annotations

import numpy as np
import pytest

from routing.registry import make_policy
from tests.routing.simulation import play, synthetic_rounds

SEEDS = range(100, 105)  # not those on which the policies' defaults were picked
ROUNDS = 300


def mean_rewards(policy: str) -> np.ndarray:
    return np.array([play(make_policy(policy), synthetic_rounds(seed=s, count=ROUNDS), seed=s) for s in SEEDS])


@pytest.mark.parametrize("name", ["best_single", "table", "thompson", "linucb"])
def test_each_learned_policy_beats_random_in_every_seed(name: str) -> None:
    gains = mean_rewards(name) - mean_rewards("uniform")
    assert gains.min() > 0, gains


@pytest.mark.parametrize("name", ["table", "thompson", "linucb"])
def test_policies_that_see_the_task_beat_the_best_single_on_average(name: str) -> None:
    assert mean_rewards(name).mean() > mean_rewards("best_single").mean()
