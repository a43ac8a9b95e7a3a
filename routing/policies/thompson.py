"""Thompson sampling per task and arm, with the probability of being best computed instead of sampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from routing.base import Context, Policy, Vector
from routing.chances import chances_of_best
from routing.policies.cells import Cells, Estimate
from routing.policies.exploration import DEFAULT_EXPLORATION, checked_exploration, with_floor
from storage.errors import InvalidInput

DEFAULT_WIDTH = 0.15  # σ: below a reward's own deviation (at most 0.5), it settles sooner; suits hundreds of rounds


class Thompson(Policy):
    """Gaussian posteriors m ~ N(μ_a, σ² v_a) over graded rewards, prior as in `Cells` (Thompson, 1933; Agrawal and
    Goyal, 2013, arXiv:1209.3353).

    p_a = P(arm a is the best) = ∫ φ_a(x) Π_{b≠a} Φ_b(x) dx by Gauss-Hermite quadrature, so that asking twice gives the
    same answer and the propensity is known. The score is the posterior mean.
    """

    def __init__(self, *, width: float = DEFAULT_WIDTH, exploration: float = DEFAULT_EXPLORATION) -> None:
        if width <= 0:
            raise InvalidInput(f"Width is {width!r}; a standard deviation is above 0.", field="width")
        self.width = width
        self.exploration = checked_exploration(exploration)
        self._cells = Cells()

    def scores(self, arms: Sequence[str], context: Context) -> Sequence[Mapping[str, float]]:
        return [
            {"overall_reward": estimate.overall_mean, "task_adjustment": estimate.mean - estimate.overall_mean}
            for estimate in self._estimates(arms, context)
        ]

    def probabilities(self, arms: Sequence[str], context: Context) -> Vector:
        estimates = self._estimates(arms, context)
        means = np.array([estimate.mean for estimate in estimates])
        deviations = self.width * np.sqrt([estimate.variance for estimate in estimates])
        return with_floor(chances_of_best(means, deviations), self.exploration)

    def update(self, arm: str, context: Context, reward: float) -> None:
        self._cells.add(arm, context.task_mixture, reward)

    def state(self) -> dict[str, object]:
        return {"cells": self._cells.state()}

    def restore(self, state: Mapping[str, object]) -> None:
        self._cells.restore(state.get("cells"))

    def _estimates(self, arms: Sequence[str], context: Context) -> list[Estimate]:
        return [self._cells.estimate(arm, context.task_mixture) for arm in arms]
