"""How the similarities of a query to all skills are distributed, told from the vectors' mean and covariance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from skills.ranking.base import Floats

TINY = 1e-6


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """Of some vectors: q · mean and q · covariance · q are mean and variance of all inner products with q."""

    mean: Floats  # (dimension,)
    covariance: Floats  # (dimension, dimension)

    @classmethod
    def of(cls, parts: Iterable[Floats], *, dimension: int) -> Distribution:
        """`parts`: (vectors, dimension) each."""
        count, total, square = 0, np.zeros(dimension), np.zeros((dimension, dimension))
        for part in parts:
            count += len(part)
            total += part.sum(axis=0, dtype=np.float64)
            square += part.T @ part
        mean = total / max(count, 1)
        covariance = square / max(count, 1) - np.outer(mean, mean)
        return cls(mean=mean.astype(np.float32), covariance=covariance.astype(np.float32))

    def standardised(self, similarities: Floats, query: Floats) -> Floats:
        """In standard deviations from the mean over all, none of which has to be looked at; 0 where all are equal."""
        deviation = float(np.sqrt(max(float(query @ self.covariance @ query), 0.0)))
        if deviation < TINY:
            return np.zeros(len(similarities), dtype=np.float32)
        return np.asarray((similarities - query @ self.mean) / deviation, dtype=np.float32)


def unit(vectors: Floats) -> Floats:
    """Of length one; zero where there is nothing."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > TINY, lengths, np.inf), dtype=np.float32)
