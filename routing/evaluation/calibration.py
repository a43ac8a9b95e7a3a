"""Whether forecasts of quality mean what they say: of what is forecast at 0.8, does 0.8 come true?

Expected calibration error with bins of equal width (Guo et al., 2017, arXiv:1706.04599) and of equal mass (Nixon et
al., 2019, arXiv:1904.01685); Brier score; log loss. Graded outcomes in [0, 1] count as shares of success.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15
SMALLEST = 1e-6  # of a probability, so that a sure and wrong forecast has a finite loss

Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ReliabilityPoint:
    """A bin's means."""

    forecast: float
    outcome: float
    count: int


@dataclass(frozen=True, kw_only=True)
class Calibration:
    count: int
    ece: float  # bins of equal width
    ece_equal_mass: float
    brier: float
    log_loss: float
    points: tuple[ReliabilityPoint, ...]  # bins of equal width that hold something


def calibration(forecast: Vector, outcome: Vector) -> Calibration:
    """Of at least one pair."""
    wide = _points(forecast, outcome, np.minimum((forecast * BINS).astype(np.int64), BINS - 1))
    sure = np.clip(forecast, SMALLEST, 1 - SMALLEST)
    losses = -(outcome * np.log(sure) + (1 - outcome) * np.log(1 - sure))
    return Calibration(
        count=len(forecast),
        ece=_error(wide),
        ece_equal_mass=_error(_points(forecast, outcome, _bins_of_equal_mass(forecast))),
        brier=float(np.mean((forecast - outcome) ** 2)),
        log_loss=float(losses.mean()),
        points=wide,
    )


def _bins_of_equal_mass(forecast: Vector) -> NDArray[np.int64]:
    """By the middle of each forecast's ranks, so that equal forecasts share a bin."""
    _, places, counts = np.unique(forecast, return_inverse=True, return_counts=True)
    middles = np.cumsum(counts) - counts / 2
    bins: NDArray[np.int64] = (BINS * middles / len(forecast)).astype(np.int64)[places]
    return bins


def _points(forecast: Vector, outcome: Vector, bins: NDArray[np.int64]) -> tuple[ReliabilityPoint, ...]:
    counts = np.bincount(bins, minlength=BINS)
    forecasts, outcomes = np.bincount(bins, forecast, BINS), np.bincount(bins, outcome, BINS)
    return tuple(
        ReliabilityPoint(
            forecast=float(forecasts[place] / counts[place]),
            outcome=float(outcomes[place] / counts[place]),
            count=int(counts[place]),
        )
        for place in np.flatnonzero(counts)
    )


def _error(points: tuple[ReliabilityPoint, ...]) -> float:
    """Mean distance of forecast and outcome, weighted by the bins' counts."""
    total = sum(point.count for point in points)
    return sum(point.count * abs(point.forecast - point.outcome) for point in points) / total
