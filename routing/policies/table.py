"""The per-task table: the best mean reward on tasks like this one, with a bonus for what was seldom tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from routing.base import Context, Policy, Vector
from routing.chances import share_of_best
from routing.policies.cells import Cells
from routing.policies.exploration import DEFAULT_EXPLORATION, checked_exploration, with_floor

DEFAULT_OPTIMISM = 0.3  # bonus of a cell never tried: the first tries are spread over all arms


class Table(Policy):
    """score = M_a + (m_a(w) - M_a) + c / (1 + n_a(w)): overall mean, what the task changes in it, optimism.

    Shrinkage as in `Cells`; the bonus is the optimistic start of Sutton and Barto (Reinforcement Learning, 2nd ed.,
    2.6), fading with the count instead of sitting in the first value.
    """

    def __init__(self, *, optimism: float = DEFAULT_OPTIMISM, exploration: float = DEFAULT_EXPLORATION) -> None:
        self.optimism = optimism
        self.exploration = checked_exploration(exploration)
        self._cells = Cells()

    def scores(self, arms: Sequence[str], context: Context) -> Sequence[Mapping[str, float]]:
        return [self._score(arm, context) for arm in arms]

    def _score(self, arm: str, context: Context) -> Mapping[str, float]:
        estimate = self._cells.estimate(arm, context.task_mixture)
        return {
            "overall_reward": estimate.overall_mean,
            "task_adjustment": estimate.mean - estimate.overall_mean,
            "exploration_bonus": self.optimism / (1.0 + estimate.count),
        }

    def expected_reward(self, arm: str, context: Context) -> float:
        """m_a(w): what the arm may earn on tasks like this one, without the bonus; 0.5 where nothing is known."""
        return self._cells.estimate(arm, context.task_mixture).mean

    def probabilities(self, arms: Sequence[str], context: Context) -> Vector:
        totals = [sum(score.values()) for score in self.scores(arms, context)]
        return with_floor(share_of_best(totals), self.exploration)

    def update(self, arm: str, context: Context, reward: float) -> None:
        self._cells.add(arm, context.task_mixture, reward)

    def state(self) -> dict[str, object]:
        return {"cells": self._cells.state()}

    def restore(self, state: Mapping[str, object]) -> None:
        self._cells.restore(state.get("cells"))
