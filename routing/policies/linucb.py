"""LinUCB: a ridge regression per arm on the context, plus a bonus for doubt, less what the arm's condition costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from routing.base import Context, Lesson, Policy, Vector
from routing.chances import share_of_best
from routing.conditions import DEFAULT_WEIGHTS, ConditionWeights, penalties
from routing.policies.energy_reward import EnergyReward
from routing.policies.exploration import DEFAULT_EXPLORATION, checked_exploration, with_floor
from routing.policies.regressions import Regressions

DEFAULT_ALPHA = 0.3  # width of the bonus
DEFAULT_RIDGE = 0.5  # λ: pull of the weights toward zero


class LinUCB(Policy):
    """score = xᵀθ_a + α √(xᵀ A_a⁻¹ x) - penalties, disjoint arms (Li, Chu, Langford, Schapire, 2010, arXiv:1003.0146,
    Algorithm 1). Regressions as in `Regressions`, penalties as in `penalties`; x: (d,).

    GreenServ uses α = .1 and a ridge of .05, which makes the same bonus for an arm that was never seen.
    """

    def __init__(
        self,
        *,
        alpha: float = DEFAULT_ALPHA,
        ridge: float = DEFAULT_RIDGE,
        exploration: float = DEFAULT_EXPLORATION,
        energy_weight: float = 0.0,
        condition_weights: ConditionWeights = DEFAULT_WEIGHTS,
    ) -> None:
        self.alpha = alpha
        self.exploration = checked_exploration(exploration)
        self.condition_weights = condition_weights
        self._regressions = Regressions("LinUCB", ridge=ridge)
        self._energy = EnergyReward(energy_weight)

    def scores(self, arms: Sequence[str], context: Context) -> Sequence[Mapping[str, float]]:
        taken_off = penalties(arms, context, self.condition_weights)
        return [self._score(arm, context.vector) | off for arm, off in zip(arms, taken_off, strict=True)]

    def _score(self, arm: str, x: Vector) -> dict[str, float]:
        regression = self._regressions.of(arm, x)
        return {
            "predicted_reward": regression.mean(x),
            "exploration_bonus": self.alpha * regression.deviation(x),
        }

    def probabilities(self, arms: Sequence[str], context: Context) -> Vector:
        totals = [sum(score.values()) for score in self.scores(arms, context)]
        return with_floor(share_of_best(totals), self.exploration)

    def update(self, arm: str, context: Context, reward: float) -> None:
        self._regressions.add(arm, context.vector, reward)

    def observe(self, arm: str, context: Context, lesson: Lesson) -> None:
        self.update(arm, context, self._energy.of(lesson))

    def state(self) -> dict[str, object]:
        return {"arms": self._regressions.state(), "energy": self._energy.state()}

    def restore(self, state: Mapping[str, object]) -> None:
        """Undo of `state`. Raises InvalidInput and keeps what it had if the state has another shape."""
        self._regressions.restore(state.get("arms"))
        if "energy" in state:
            self._energy.restore(state["energy"])
