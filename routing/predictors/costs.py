"""What an answer costs (and how long it takes, in time and energy), forecast from the length of the query's text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routing.dataset import Dataset
from routing.forecasts import Arrays, Matrix
from routing.predictors.means import candidate_means, known_amounts

PRIOR_QUERIES = 20.0  # so many queries' worth of belief that a candidate's slope is that of all candidates together
LEAST_RATIO = 1e-3  # of a candidate's mean: what smaller amounts, zero among them, count as in logarithms


@dataclass(frozen=True, kw_only=True, eq=False)
class Amounts:
    """amount = level · exp(slope · (log(1 + characters) - centre)), for each amount and candidate.

    The length is held within what training saw. Levels are such that the forecasts of the training cells sum to what
    was measured, candidate by candidate.
    """

    names: tuple[str, ...]  # `cost_usd` first
    levels: Matrix  # amounts × candidates
    slopes: Matrix  # amounts × candidates
    lengths: NDArray[np.float64]  # least, centre, most; of log(1 + characters)

    @classmethod
    def fit(cls, data: Dataset) -> Amounts:
        """From the known cells. Slopes are least squares in logarithms, shrunk to the slope of all candidates."""
        names = known_amounts(data)
        sizes = log_lengths(data.texts)
        centre = float(sizes.mean())
        fitted = [_fit_one(getattr(data, name), sizes - centre) for name in names]
        return cls(
            names=names,
            levels=np.stack([levels for levels, _ in fitted]),
            slopes=np.stack([slopes for _, slopes in fitted]),
            lengths=np.array([sizes.min(), centre, sizes.max()]),
        )

    @classmethod
    def restore(cls, arrays: Arrays, names: Sequence[str]) -> Amounts:
        """Undo of `arrays`. Raises KeyError."""
        return cls(
            names=tuple(names),
            levels=arrays["amount_levels"],
            slopes=arrays["amount_slopes"],
            lengths=arrays["amount_lengths"],
        )

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        return {"amount_levels": self.levels, "amount_slopes": self.slopes, "amount_lengths": self.lengths}

    def predict(self, texts: Sequence[str]) -> dict[str, Matrix]:
        """Name to queries × candidates."""
        least, centre, most = self.lengths
        sizes = np.clip(log_lengths(texts), least, most)[:, None] - centre
        return {
            name: level * np.exp(slope * sizes)
            for name, level, slope in zip(self.names, self.levels, self.slopes, strict=True)
        }


def log_lengths(texts: Sequence[str]) -> NDArray[np.float64]:
    return np.log1p(np.array([len(text) for text in texts], dtype=np.float64))


def _fit_one(matrix: Matrix, sizes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Levels and slopes of one amount; `sizes` are centred logarithms of lengths."""
    means = candidate_means(matrix)
    known = ~np.isnan(matrix)
    scale = np.where(means > 0, means, 1.0)
    logs = np.log(np.maximum(np.where(known, matrix, scale) / scale, LEAST_RATIO))
    count = np.maximum(known.sum(axis=0), 1)
    spread = known * (sizes[:, None] - (known * sizes[:, None]).sum(axis=0) / count)
    covariance, variance = (spread * logs).sum(axis=0), (spread**2).sum(axis=0)
    prior = PRIOR_QUERIES * float(sizes.var()) + 1e-9
    common = covariance.sum() / (variance.sum() + prior)
    slopes = np.where(means > 0, (covariance + prior * common) / (variance + prior), 0.0)
    powers = np.exp(slopes * sizes[:, None])
    is_seen = known.any(axis=0)
    over = np.where(is_seen, (known * powers).sum(axis=0) / count, powers.mean(axis=0))
    return means / over, slopes
