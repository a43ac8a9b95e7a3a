"""The pheromone memory as a policy: what was earned on such tasks and on like queries decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np

from routing.base import ACTIVE, Context, Identity, Lesson, Policy, Vector
from routing.conditions import DEFAULT_WEIGHTS, ConditionWeights, penalties
from routing.forecasts import Forecast, Weights, utility
from routing.pheromone.base import TrailCell
from routing.pheromone.cells import PRIOR_REWARD
from routing.pheromone.estimators import (
    DEFAULT_ALPHA,
    DEFAULT_BETA,
    DEFAULT_OPTIMISM,
    DEFAULT_WIDTH,
    Estimator,
    Parts,
    make_estimator,
)
from routing.pheromone.evaporation import DEFAULT_HALF_LIFE_DAYS
from routing.pheromone.memory import DEFAULT_CAPACITY, PheromoneMemory
from routing.pheromone.trail_state import View
from routing.policies.exploration import DEFAULT_EXPLORATION, checked_exploration, with_floor
from storage.trail_records import TrailEvent

NAME = "pheromone"


class TrailPolicy(Policy):
    """A policy that is its memory's keeper's `TrailMemory`, too: both are asked for the same state."""

    def __init__(
        self,
        memory: PheromoneMemory,
        estimator: Estimator,
        *,
        exploration: float = DEFAULT_EXPLORATION,
        weights: Weights | None = None,
        condition_weights: ConditionWeights = DEFAULT_WEIGHTS,
    ) -> None:
        self.memory = memory
        self.estimator = estimator
        self.exploration = checked_exploration(exploration)
        self.weights = Weights() if weights is None else weights
        self.condition_weights = condition_weights

    @property
    def name(self) -> str:
        return self.memory.name

    def scores(self, arms: Sequence[str], context: Context) -> Sequence[Mapping[str, float]]:
        return self._read(arms, context)[1]

    def probabilities(self, arms: Sequence[str], context: Context) -> Vector:
        view, parts = self._read(arms, context)
        scores = np.array([sum(contributions.values()) for contributions in parts])
        return with_floor(self.estimator.preferred(scores, view), self.exploration)

    def update(self, arm: str, context: Context, reward: float) -> None:
        self.observe(arm, context, Lesson(reward=reward, quality=reward))

    def observe(self, arm: str, context: Context, lesson: Lesson) -> None:
        """Books in memory alone; who keeps the memory stores its events later."""
        self.memory.observe(arm, context, lesson)

    def identity(self, context: Context) -> Identity | None:
        """The digest over the memory's events, so that no decision waits for a hash of the whole state."""
        return Identity(version=self.version, sha256=self.memory.digest) if self.memory.digest else None

    def drain(self) -> list[TrailEvent]:
        """See `TrailMemory.drain`."""
        return self.memory.drain()

    def apply(self, event: TrailEvent) -> None:
        """See `TrailMemory.apply`."""
        self.memory.apply(event)

    def state(self) -> dict[str, object]:
        return self.memory.state()

    def restore(self, state: Mapping[str, object]) -> None:
        """Undo of `state`. Raises InvalidInput and keeps what it had if the state has another shape."""
        self.memory.restore(state)

    def reset(self, *, stage: str | None, candidate_id: str | None) -> TrailEvent:
        """See `TrailMemory.reset`."""
        return self.memory.reset(stage=stage, candidate_id=candidate_id)

    def cells(self, *, at: datetime) -> list[TrailCell]:
        """See `ShownMemory.cells`."""
        return self.memory.cells(at=at)

    def _read(self, arms: Sequence[str], context: Context) -> tuple[View, Parts]:
        expected = self._expected(arms, context)
        view = self.memory.view(arms, context, priors=expected)
        taken_off = penalties(arms, context, self.condition_weights)
        return view, self.estimator.contributions(view, expected=expected, taken_off=taken_off)

    def _expected(self, arms: Sequence[str], context: Context) -> Vector:
        """(arms,): the trained router's forecast of each one's utility, in [0, 1]; 0.5 where there is none."""
        expected = np.full(len(arms), PRIOR_REWARD)
        forecasts = context.forecasts.get(ACTIVE)
        if forecasts is None:
            return expected
        forecast = Forecast(
            quality=forecasts.quality,
            cost_usd=forecasts.cost_usd,
            latency_seconds=forecasts.latency_seconds,
            energy_joules=forecasts.energy_joules,
        )
        weighed = utility(forecast, context.weights or self.weights, forecasts.reference)
        utilities = np.clip(weighed, 0.0, 1.0)
        for index, arm in enumerate(arms):
            place = forecasts.arm_to_place.get(arm)
            if place is not None:
                expected[index] = utilities[place]
        return expected


class Pheromone(TrailPolicy):
    """Cells of task type × stage × candidate, what happened on like queries, and an estimator that reads them.

    `estimator`: `thompson` (the chance of being best), `ucb`, or `greedy_trail` (p ∝ τ^α η^β). The trails follow the
    bounded rule; they fade by half in each half-life.
    """

    def __init__(
        self,
        *,
        estimator: str = "thompson",
        alpha: float = DEFAULT_ALPHA,
        beta: float = DEFAULT_BETA,
        width: float = DEFAULT_WIDTH,
        exploration: float = DEFAULT_EXPLORATION,
        half_life_days: float | None = DEFAULT_HALF_LIFE_DAYS,
        capacity: int = DEFAULT_CAPACITY,
        weights: Weights | None = None,
    ) -> None:
        """`alpha`, `beta`: of `greedy_trail`; `width`: of `thompson`. Raises InvalidInput for what cannot be."""
        options: dict[str, dict[str, float]] = {
            "greedy_trail": {"alpha": alpha, "beta": beta},
            "thompson": {"width": width},
            "ucb": {"optimism": DEFAULT_OPTIMISM},
        }
        super().__init__(
            PheromoneMemory(NAME, half_life_days=half_life_days, capacity=capacity),
            make_estimator(estimator, **options.get(estimator, {})),
            exploration=exploration,
            weights=weights,
        )
