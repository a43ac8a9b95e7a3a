"""The best arm over everything seen, whatever the query: what a router has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from routing.base import Context, Policy, Vector
from routing.chances import share_of_best
from routing.policies.cells import Cells
from routing.policies.exploration import DEFAULT_EXPLORATION, checked_exploration, with_floor

DEFAULT_OPTIMISM = 0.6  # bonus of an arm never tried; with less it settles on the arm that was lucky with its tasks
EVERYTHING = {"everything": 1.0}  # the one task that all queries belong to


class BestSingle(Policy):
    """score = M_a + c / (1 + n_a), one mean over all tasks; see `Table` for the source."""

    def __init__(self, *, optimism: float = DEFAULT_OPTIMISM, exploration: float = DEFAULT_EXPLORATION) -> None:
        self.optimism = optimism
        self.exploration = checked_exploration(exploration)
        self._cells = Cells()

    def scores(self, arms: Sequence[str], context: Context) -> Sequence[Mapping[str, float]]:
        return [self._score(arm) for arm in arms]

    def _score(self, arm: str) -> Mapping[str, float]:
        estimate = self._cells.estimate(arm, EVERYTHING)
        return {
            "overall_reward": estimate.overall_mean,
            "exploration_bonus": self.optimism / (1.0 + estimate.count),
        }

    def probabilities(self, arms: Sequence[str], context: Context) -> Vector:
        totals = [sum(score.values()) for score in self.scores(arms, context)]
        return with_floor(share_of_best(totals), self.exploration)

    def update(self, arm: str, context: Context, reward: float) -> None:
        self._cells.add(arm, EVERYTHING, reward)

    def state(self) -> dict[str, object]:
        return {"cells": self._cells.state()}

    def restore(self, state: Mapping[str, object]) -> None:
        self._cells.restore(state.get("cells"))
