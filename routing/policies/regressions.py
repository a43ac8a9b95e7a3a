"""A ridge regression of reward on context for each arm, kept as an inverse so that learning inverts nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from routing.base import Vector
from storage.errors import InvalidInput


@dataclass(kw_only=True)
class Regression:
    """A⁻¹ (d × d) and b (d) of one arm, and θ = A⁻¹ b."""

    inverse: NDArray[np.float64]
    moment: Vector
    theta: Vector

    def mean(self, x: Vector) -> float:
        return float(x @ self.theta)

    def deviation(self, x: Vector) -> float:
        """√(xᵀ A⁻¹ x)."""
        return math.sqrt(max(float(x @ self.inverse @ x), 0.0))


class Regressions:
    """A_a = λI + Σ x xᵀ and b_a = λθ_0 + Σ r x of each arm; A_a⁻¹ by the Sherman-Morrison formula: d² an update.

    θ_0 is `prior_reward` on the first entry of x, the bias: what an arm that was never seen is expected to earn. An arm
    that is no longer offered keeps what it learned. Raises InvalidInput where the ridge is not above 0.
    """

    def __init__(self, name: str, *, ridge: float, prior_reward: float = 0.0) -> None:
        if ridge <= 0:
            raise InvalidInput(f"Ridge is {ridge!r}; it must be above 0.", field="ridge")
        self._name = name  # of the policy, for messages
        self.ridge = ridge
        self.prior_reward = prior_reward
        self._arm_to_regression: dict[str, Regression] = {}

    def of(self, arm: str, x: Vector) -> Regression:
        """The arm's regression, or for a new arm an empty one that is not kept. Raises InvalidInput for another x."""
        found = self._arm_to_regression.get(arm)
        if found is None:
            theta = np.zeros(len(x))
            theta[0] = self.prior_reward
            return Regression(inverse=np.eye(len(x)) / self.ridge, moment=self.ridge * theta, theta=theta)
        if len(found.moment) != len(x):
            raise InvalidInput(
                f"{self._name} learned contexts of length {len(found.moment)} for arm {arm!r} and got one of length "
                f"{len(x)}; restore a state that was made with the same tasks.",
                field="context",
            )
        return found

    def add(self, arm: str, x: Vector, reward: float) -> None:
        regression = self._arm_to_regression.setdefault(arm, self.of(arm, x))
        direction = regression.inverse @ x
        regression.inverse -= np.outer(direction, direction) / (1.0 + x @ direction)
        regression.moment += reward * x
        regression.theta = regression.inverse @ regression.moment

    def state(self) -> dict[str, object]:
        return {
            arm: {"inverse": regression.inverse.tolist(), "moment": regression.moment.tolist()}
            for arm, regression in self._arm_to_regression.items()
        }

    def restore(self, state: object) -> None:
        """Undo of `state`. Raises InvalidInput and keeps what it had if the state has another shape."""
        try:
            arms = cast("Mapping[str, Mapping[str, object]]", state)
            restored = {arm: _restored(saved) for arm, saved in arms.items()}
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            raise InvalidInput(
                f"A saved {self._name} has for each arm inverse and moment: {exc!r}.", field="arms"
            ) from exc
        self._arm_to_regression = restored


def _restored(saved: Mapping[str, object]) -> Regression:
    inverse = np.array(saved["inverse"], dtype=np.float64)
    moment = np.array(saved["moment"], dtype=np.float64)
    if moment.ndim != 1 or inverse.shape != (len(moment), len(moment)):
        raise ValueError(f"inverse has the shape {inverse.shape}, moment the shape {moment.shape}")
    return Regression(inverse=inverse, moment=moment, theta=inverse @ moment)
