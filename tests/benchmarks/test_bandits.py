"""The bandit benchmark on a stream of its own making."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.bandits import UCB1, Stream, maker_of, play
from routing.policies.lints import LinTS
from tests.routing.doubles import a_context


def a_stream(count: int = 300) -> Stream:
    """Two kinds of queries, each with an arm of its own that answers them."""
    tasks = ["code" if number % 2 else "facts" for number in range(count)]
    rewards = np.array([[0.9, 0.2, 0.5] if task == "code" else [0.2, 0.9, 0.5] for task in tasks])
    return Stream(name="two", arms=("coder", "poet", "both"), contexts=[a_context(t) for t in tasks], rewards=rewards)


def test_a_policy_that_sees_the_query_beats_one_that_does_not() -> None:
    stream = a_stream()
    blind, _ = play(UCB1(), stream, seed=1)
    seeing, late = play(LinTS(), stream, seed=1)
    assert seeing > blind + 0.1
    assert late > 0.8


def test_the_same_seed_gives_the_same_figures() -> None:
    assert play(UCB1(), a_stream(50), seed=3) == play(UCB1(), a_stream(50), seed=3)


def test_ucb1_tries_every_arm_first() -> None:
    policy, seen = UCB1(), []
    for _ in range(3):
        seen.append(("a", "b", "c")[int(policy.probabilities(["a", "b", "c"], a_context()).argmax())])
        policy.update(seen[-1], a_context(), 1.0)
    assert sorted(seen) == ["a", "b", "c"]


def test_a_policys_options_stand_behind_its_name() -> None:
    policy = maker_of("lints:alpha=0.25,ridge=2")()
    assert isinstance(policy, LinTS)
    assert policy.alpha == pytest.approx(0.25)
    assert isinstance(maker_of("ucb1")(), UCB1)
