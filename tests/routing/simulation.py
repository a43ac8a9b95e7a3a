"""A world with known rewards in which policies are judged; nothing in it is learned from data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routing.base import Context, Policy
from routing.router import sample

NOISE = 0.15  # standard deviation of a reward around its mean


@dataclass(frozen=True, kw_only=True)
class Round:
    context: Context
    rewards: NDArray[np.float64]  # one an arm: what each would have earned
    means: NDArray[np.float64]  # their expectations


def synthetic_rounds(*, seed: int, count: int, tasks: int = 6, arms: int = 6) -> list[Round]:
    """Arms have a general level and strengths of their own per task; the context shows the task through noise."""
    rng = np.random.default_rng(seed)
    names = [f"task {number}" for number in range(tasks)]
    means = np.clip(rng.uniform(0.3, 0.6, size=(1, arms)) + rng.uniform(-0.3, 0.4, size=(tasks, arms)), 0.0, 1.0)
    rounds = []
    for _ in range(count):
        task = int(rng.integers(tasks))
        mixture = rng.dirichlet(np.where(np.arange(tasks) == task, 8.0, 0.3))
        context = Context(
            task=names[int(mixture.argmax())],
            task_mixture=dict(zip(names, mixture.tolist(), strict=True)),
            vector=np.concatenate(([1.0], mixture, rng.uniform(size=4))),
            encoder="synthetic",
        )
        rewards = np.clip(means[task] + rng.normal(scale=NOISE, size=arms), 0.0, 1.0)
        rounds.append(Round(context=context, rewards=rewards, means=means[task]))
    return rounds


def play(policy: Policy, rounds: Sequence[Round], *, seed: int) -> float:
    """Mean expected reward of a policy that learns from its own choices only."""
    arms = [f"arm {number:02}" for number in range(len(rounds[0].rewards))]
    earned = 0.0
    for counter, round in enumerate(rounds):
        probabilities = policy.probabilities(arms, round.context)
        chosen = arms.index(sample(probabilities.tolist(), arms, seed=seed, counter=counter))
        policy.update(arms[chosen], round.context, float(round.rewards[chosen]))
        earned += float(round.means[chosen])
    return earned / len(rounds)
