"""LinUCB: a ridge regression per arm on the context, plus a bonus for what it is unsure of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from routing.base import Context, Policy, Vector
from routing.policies.exploration import DEFAULT_EXPLORATION, checked_exploration, share_of_best, with_floor
from storage.errors import InvalidInput

DEFAULT_ALPHA = 0.3  # width of the bonus
DEFAULT_RIDGE = 0.5  # λ: pull of the weights toward zero


@dataclass(kw_only=True)
class _Regression:
    """A⁻¹ (d × d) and b (d) of one arm, and θ = A⁻¹ b."""

    inverse: NDArray[np.float64]
    moment: Vector
    theta: Vector


class LinUCB(Policy):
    """score = xᵀθ_a + α √(xᵀ A_a⁻¹ x), disjoint arms (Li, Chu, Langford, Schapire, 2010, arXiv:1003.0146, Algorithm 1).

    A_a = λI + Σ x xᵀ, b_a = Σ r x; A_a⁻¹ is kept by the Sherman-Morrison formula, so an update costs d² and nothing is
    ever inverted. x: (d,).
    """

    def __init__(
        self,
        *,
        alpha: float = DEFAULT_ALPHA,
        ridge: float = DEFAULT_RIDGE,
        exploration: float = DEFAULT_EXPLORATION,
    ) -> None:
        if ridge <= 0:
            raise InvalidInput(f"Ridge is {ridge!r}; it must be above 0.", field="ridge")
        self.alpha = alpha
        self.ridge = ridge
        self.exploration = checked_exploration(exploration)
        self._arm_to_regression: dict[str, _Regression] = {}

    def scores(self, arms: Sequence[str], context: Context) -> Sequence[Mapping[str, float]]:
        return [self._score(self._regression(arm, context.vector), context.vector) for arm in arms]

    def _score(self, regression: _Regression, x: Vector) -> Mapping[str, float]:
        variance = float(x @ regression.inverse @ x)
        return {
            "predicted_reward": float(x @ regression.theta),
            "exploration_bonus": self.alpha * max(variance, 0.0) ** 0.5,
        }

    def probabilities(self, arms: Sequence[str], context: Context) -> Vector:
        totals = [sum(score.values()) for score in self.scores(arms, context)]
        return with_floor(share_of_best(totals), self.exploration)

    def update(self, arm: str, context: Context, reward: float) -> None:
        x = context.vector
        regression = self._arm_to_regression.setdefault(arm, self._regression(arm, x))
        direction = regression.inverse @ x
        regression.inverse -= np.outer(direction, direction) / (1.0 + x @ direction)
        regression.moment += reward * x
        regression.theta = regression.inverse @ regression.moment

    def state(self) -> dict[str, object]:
        return {
            "arms": {
                arm: {"inverse": regression.inverse.tolist(), "moment": regression.moment.tolist()}
                for arm, regression in self._arm_to_regression.items()
            }
        }

    def restore(self, state: Mapping[str, object]) -> None:
        """Undo of `state`. Raises InvalidInput and keeps what it had if the state has another shape."""
        try:
            arms = cast("Mapping[str, Mapping[str, object]]", state["arms"])
            restored = {arm: _restored(saved) for arm, saved in arms.items()}
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            raise InvalidInput(f"A saved LinUCB has for each arm inverse and moment: {exc!r}.", field="arms") from exc
        self._arm_to_regression = restored

    def _regression(self, arm: str, x: Vector) -> _Regression:
        """The arm's regression, or for a new arm an empty one that is not kept."""
        found = self._arm_to_regression.get(arm)
        if found is None:
            zeros = np.zeros(len(x))
            return _Regression(inverse=np.eye(len(x)) / self.ridge, moment=zeros, theta=zeros.copy())
        if len(found.moment) != len(x):
            raise InvalidInput(
                f"LinUCB learned contexts of length {len(found.moment)} for arm {arm!r} and got one of length {len(x)};"
                " restore a state that was made with the same tasks.",
                field="context",
            )
        return found


def _restored(saved: Mapping[str, object]) -> _Regression:
    inverse = np.array(saved["inverse"], dtype=np.float64)
    moment = np.array(saved["moment"], dtype=np.float64)
    if inverse.shape != (len(moment), len(moment)):
        raise ValueError(f"inverse has the shape {inverse.shape}, moment the length {len(moment)}")
    return _Regression(inverse=inverse, moment=moment, theta=inverse @ moment)
