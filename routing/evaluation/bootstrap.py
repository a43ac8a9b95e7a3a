"""Paired bootstrap over queries: how sure a difference between two routers is.

The same resampled queries are used for every router (Efron and Tibshirani, 1993, chapters 13 and 16; Koehn, 2004).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routing.forecasts import Matrix

RESAMPLES = 2_000
LEVEL = 0.95  # of intervals in reports
BLOCK_CELLS = 8_000_000  # of counts held at once: 64 MB

Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Interval:
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A router's mean less a rival's, with the percentile interval and the two-sided p of "no difference"."""

    mean: float
    low: float
    high: float
    p: float


def resampled_means(columns: Matrix, *, seed: int, resamples: int = RESAMPLES) -> Matrix:
    """Means of each column (queries × columns) over queries drawn with replacement: resamples × columns."""
    queries = len(columns)
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK_CELLS // queries)
    parts = []
    for start in range(0, resamples, block):
        draws = rng.integers(0, queries, size=(min(block, resamples - start), queries))
        counts = np.stack([np.bincount(draw, minlength=queries) for draw in draws]).astype(np.float64)
        parts.append(counts @ columns / queries)
    return np.concatenate(parts)


def interval(resampled: Vector, *, level: float = LEVEL) -> Interval:
    """The percentile interval."""
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=float(low), high=float(high))


def difference(mean: float, resampled: Vector, *, level: float = LEVEL) -> Difference:
    """`resampled`: the difference in each resample."""
    found = interval(resampled, level=level)
    tail = min(int((resampled <= 0).sum()), int((resampled >= 0).sum()))
    p = min(1.0, 2 * (tail + 1) / (len(resampled) + 1))  # never zero: so many resamples cannot show less
    return Difference(mean=mean, low=found.low, high=found.high, p=p)
