"""The trained router as a policy: weighs what it expects of each candidate; asks the table where it knows nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from routing.base import ACTIVE, ArmForecasts, Context, Identity, Policy, Vector
from routing.chances import TIE_TOLERANCE
from routing.forecasts import Weights
from routing.policies.exploration import DEFAULT_EXPLORATION, checked_exploration, with_floor
from routing.policies.table import Table

QUALITY, COST, LATENCY, ENERGY = "expected_quality", "expected_cost", "expected_latency", "expected_energy"
UNKNOWN_ARM = "table_estimate"


class GraphNeural(Policy):
    """score = α q̂ - β ĉ/c_ref - μ l̂/l_ref - ν ê/e_ref (ALGORITHMS section 1) from the context's active forecast.

    Which kind of trained router made the forecast, it does not know. Among the best it takes the cheapest. An arm that
    the forecast does not hold scores α times its mean reward in the per-task table, which learns beside. Without a
    forecast the whole answer is the table's, and `refusal` says why.
    """

    def __init__(self, *, weights: Weights | None = None, exploration: float = DEFAULT_EXPLORATION) -> None:
        self.weights = Weights() if weights is None else weights
        self.exploration = checked_exploration(exploration)
        self._table = Table(exploration=exploration)

    def refusal(self, context: Context) -> str | None:
        return None if ACTIVE in context.forecasts else context.forecast_gap

    def identity(self, context: Context) -> Identity | None:
        forecast = context.forecasts.get(ACTIVE)
        return None if forecast is None else Identity(version=forecast.version_id, sha256=forecast.sha256)

    def weighed_with(self, context: Context) -> Weights | None:
        return (context.weights or self.weights) if ACTIVE in context.forecasts else None

    def scores(self, arms: Sequence[str], context: Context) -> Sequence[Mapping[str, float]]:
        forecast = context.forecasts.get(ACTIVE)
        if forecast is None:
            return self._table.scores(arms, context)
        weights = context.weights or self.weights
        terms = {name: vector.tolist() for name, vector in _terms(forecast, weights)}
        return [
            {name: values[place] for name, values in terms.items()}
            if (place := forecast.arm_to_place.get(arm)) is not None
            else {UNKNOWN_ARM: weights.quality * self._table.expected_reward(arm, context)}
            for arm in arms
        ]

    def probabilities(self, arms: Sequence[str], context: Context) -> Vector:
        forecast = context.forecasts.get(ACTIVE)
        if forecast is None:
            return self._table.probabilities(arms, context)
        weights = context.weights or self.weights
        total = sum((vector for _, vector in _terms(forecast, weights)), start=np.zeros(len(forecast.quality)))
        totals, costs = np.empty(len(arms)), np.full(len(arms), np.inf)
        for index, arm in enumerate(arms):
            place = forecast.arm_to_place.get(arm)
            if place is None:
                totals[index] = weights.quality * self._table.expected_reward(arm, context)
            else:
                totals[index], costs[index] = total[place], forecast.cost_usd[place]
        return with_floor(_share_of_cheapest_best(totals, costs), self.exploration)

    def update(self, arm: str, context: Context, reward: float) -> None:
        self._table.update(arm, context, reward)

    def state(self) -> dict[str, object]:
        """What it learned in service: its table. The forecasts' weights are the artefact's."""
        return self._table.state()

    def restore(self, state: Mapping[str, object]) -> None:
        self._table.restore(state)


def _terms(forecast: ArmForecasts, weights: Weights) -> Iterator[tuple[str, Vector]]:
    """Each contribution with its vector over the forecast's arms; without data, unit or weight there is none."""
    yield QUALITY, weights.quality * forecast.quality
    for name, weight, amounts, unit in (
        (COST, weights.cost, forecast.cost_usd, forecast.reference.cost_usd),
        (LATENCY, weights.latency, forecast.latency_seconds, forecast.reference.latency_seconds),
        (ENERGY, weights.energy, forecast.energy_joules, forecast.reference.energy_joules),
    ):
        if weight and amounts is not None and unit:
            yield name, -weight * amounts / unit


def _share_of_cheapest_best(totals: Vector, costs: Vector) -> Vector:
    """All probability to the highest total, among ties to the lowest cost, evenly among those that are still alike."""
    if len(totals) == 0:
        return totals
    is_best = totals >= totals.max() - TIE_TOLERANCE
    is_taken = is_best & (costs <= costs[is_best].min())
    shares: Vector = is_taken / is_taken.sum()
    return shares
