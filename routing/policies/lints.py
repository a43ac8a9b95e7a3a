"""LinTS: Thompson sampling over a ridge regression per arm, with the chance of being best computed, not sampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from routing.base import Context, Lesson, Policy, Vector
from routing.chances import chances_of_best
from routing.conditions import DEFAULT_WEIGHTS, ConditionWeights, penalties
from routing.policies.energy_reward import EnergyReward
from routing.policies.exploration import DEFAULT_EXPLORATION, checked_exploration, with_floor
from routing.policies.regressions import Regressions
from storage.errors import InvalidInput

DEFAULT_ALPHA = 0.1  # v: width of the posterior, as GreenServ has it
DEFAULT_RIDGE = 3.0  # λ: pull of the weights toward the prior
DEFAULT_PRIOR_REWARD = 0.6  # of an arm that was never seen
BIAS_SCALE = 4.0  # of the bias in x: an arm's level is pulled 1/16 as hard as what task and signals change in it


class LinTS(Policy):
    """θ_a ~ N(θ̂_a, v² A_a⁻¹), so that arm a earns N(xᵀθ̂_a, v² xᵀA_a⁻¹x) (Agrawal and Goyal, 2013, arXiv:1209.3352,
    with disjoint arms as in arXiv:1003.0146). x: (d,), [4, w(q), cheap signals].

    p_a = P(arm a is the best) by quadrature (`chances_of_best`), after the penalties of the arms' conditions: asking
    twice gives the same answer and the propensity is known. GreenServ's ridge of .05 earned less on every measured
    stream, its bins of length and complexity in the place of the signals no more (benchmarks/README.md).
    """

    def __init__(
        self,
        *,
        alpha: float = DEFAULT_ALPHA,
        ridge: float = DEFAULT_RIDGE,
        prior_reward: float = DEFAULT_PRIOR_REWARD,
        exploration: float = DEFAULT_EXPLORATION,
        energy_weight: float = 0.0,
        condition_weights: ConditionWeights = DEFAULT_WEIGHTS,
    ) -> None:
        if alpha <= 0:
            raise InvalidInput(f"Alpha is {alpha!r}; a posterior's width is above 0.", field="alpha")
        self.alpha = alpha
        self.exploration = checked_exploration(exploration)
        self.condition_weights = condition_weights
        self._regressions = Regressions("LinTS", ridge=ridge, prior_reward=prior_reward / BIAS_SCALE)
        self._energy = EnergyReward(energy_weight)

    def scores(self, arms: Sequence[str], context: Context) -> Sequence[Mapping[str, float]]:
        x, taken_off = features(context), penalties(arms, context, self.condition_weights)
        means = [self._regressions.of(arm, x).mean(x) for arm in arms]
        return [{"predicted_reward": mean} | off for mean, off in zip(means, taken_off, strict=True)]

    def probabilities(self, arms: Sequence[str], context: Context) -> Vector:
        x = features(context)
        means = np.array([sum(score.values()) for score in self.scores(arms, context)])
        deviations = np.array([self.alpha * self._regressions.of(arm, x).deviation(x) for arm in arms])
        return with_floor(chances_of_best(means, deviations), self.exploration)

    def update(self, arm: str, context: Context, reward: float) -> None:
        self._regressions.add(arm, features(context), reward)

    def observe(self, arm: str, context: Context, lesson: Lesson) -> None:
        self.update(arm, context, self._energy.of(lesson))

    def state(self) -> dict[str, object]:
        return {"arms": self._regressions.state(), "energy": self._energy.state()}

    def restore(self, state: Mapping[str, object]) -> None:
        """Undo of `state`. Raises InvalidInput and keeps what it had if the state has another shape."""
        self._regressions.restore(state.get("arms"))
        if "energy" in state:
            self._energy.restore(state["energy"])


def features(context: Context) -> Vector:
    """The context's vector, with its first entry, the bias, scaled."""
    x = context.vector.copy()
    x[0] *= BIAS_SCALE
    return x
