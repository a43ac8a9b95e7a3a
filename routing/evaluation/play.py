"""What comes of a router's choices on measured outcomes, at several weights of cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routing.evaluation.outcomes import Outcomes
from routing.forecasts import Forecast, Matrix, Weights, choose, utility

LAMBDAS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # weights of cost against quality; utility area is the mean over them
SWEEP = (0.0, *(float(value) for value in np.logspace(-3, 2, 60)))  # for frontiers

Choices = NDArray[np.int64]  # lambdas × queries


@dataclass(frozen=True, kw_only=True, eq=False)
class Play:
    """Matrices are lambdas × queries unless said otherwise."""

    lambdas: tuple[float, ...]
    quality: Matrix
    cost_usd: Matrix
    latency_seconds: Matrix | None  # NaN where it was not measured
    shares: Matrix  # lambdas × candidates: of the queries
    chosen: Choices | None  # None: drawn by lot, and all else is expected values

    def utility(self, reference_cost_usd: float) -> Matrix:
        """quality - lambda * cost / reference; the cost counts nothing where the reference is zero."""
        if not reference_cost_usd:
            return self.quality
        weights = np.array(self.lambdas)[:, None]
        worth: Matrix = self.quality - weights * self.cost_usd / reference_cost_usd
        return worth


def choices(forecast: Forecast, outcomes: Outcomes, lambdas: Sequence[float]) -> Choices:
    """Of the candidates whose outcome is known, the one with the best forecast utility."""
    return np.stack(
        [
            choose(
                utility(forecast, Weights(quality=1.0, cost=weight), outcomes.reference),
                forecast.cost_usd,
                allowed=outcomes.is_known,
            )
            for weight in lambdas
        ]
    )


def preferred(order: Sequence[int] | NDArray[np.int64], outcomes: Outcomes, lambdas: Sequence[float]) -> Choices:
    """Whatever the weight, the first candidate in this order whose outcome is known."""
    columns = np.asarray(order, dtype=np.int64)
    first = columns[outcomes.is_known[:, columns].argmax(axis=1)]
    return np.tile(first, (len(lambdas), 1))


def played(chosen: Choices, outcomes: Outcomes, lambdas: Sequence[float]) -> Play:
    """Looks the chosen cells up."""
    rows = np.arange(len(outcomes))
    seconds = outcomes.latency_seconds
    shares = [np.bincount(places, minlength=len(outcomes.candidates)) / len(outcomes) for places in chosen]
    return Play(
        lambdas=tuple(lambdas),
        quality=outcomes.quality[rows, chosen],
        cost_usd=outcomes.cost_usd[rows, chosen],
        latency_seconds=None if seconds is None else seconds[rows, chosen],
        shares=np.stack(shares),
        chosen=chosen,
    )


def played_by_lot(outcomes: Outcomes, lambdas: Sequence[float]) -> Play:
    """Expected values where each candidate with a known outcome has the same chance."""
    chances = outcomes.is_known / outcomes.is_known.sum(axis=1, keepdims=True)
    times = (len(lambdas), 1)
    return Play(
        lambdas=tuple(lambdas),
        quality=np.tile((chances * outcomes.quality).sum(axis=1), times),
        cost_usd=np.tile((chances * outcomes.cost_usd).sum(axis=1), times),
        latency_seconds=None if (seconds := outcomes.latency_seconds) is None else np.tile(_mean(seconds), times),
        shares=np.tile(chances.mean(axis=0), times),
        chosen=None,
    )


def _mean(matrix: Matrix) -> NDArray[np.float64]:
    """Of each row over its known cells; NaN where there are none."""
    is_known = ~np.isnan(matrix)
    counts = is_known.sum(axis=1)
    totals = np.where(is_known, matrix, 0.0).sum(axis=1)
    means: NDArray[np.float64] = np.divide(totals, counts, out=np.full(len(matrix), np.nan), where=counts > 0)
    return means
