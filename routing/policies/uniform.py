"""The policy that prefers nobody: the baseline, and what is left when nothing else works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from routing.base import Context, Policy, Vector
from routing.policies.exploration import with_floor


class Uniform(Policy):
    """p = 1 / |arms|; learns nothing."""

    def scores(self, arms: Sequence[str], context: Context) -> Sequence[Mapping[str, float]]:
        return [{"equal_chance": 1.0 / len(arms)} for _ in arms]

    def probabilities(self, arms: Sequence[str], context: Context) -> Vector:
        return with_floor(np.ones(len(arms)), 1.0)

    def update(self, arm: str, context: Context, reward: float) -> None:
        """Nothing to learn."""
