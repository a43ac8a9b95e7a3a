"""Which arm is the best: by its score, or by the chance that it is, where scores are uncertain."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from routing.base import Vector

NODES = 32  # of the quadrature
TIE_TOLERANCE = 1e-9  # scores this near are alike; keeps the order of additions from deciding


def share_of_best(scores: Sequence[float]) -> Vector:
    """All probability to the highest score, evenly among ties."""
    values = np.asarray(scores, dtype=np.float64)
    if len(values) == 0:
        return values
    is_best = values >= values.max() - TIE_TOLERANCE
    shares: Vector = is_best / is_best.sum()
    return shares


def chances_of_best(means: Vector, deviations: Vector) -> Vector:
    """P(arm a is the best) of independent normal arms; they sum to one.

    Arrays are arm × node × rival: at each node of an arm's density, the chance that no rival is above it.
    """
    if len(means) == 0:
        return means
    nodes, weights = _quadrature()
    points = means[:, None] + deviations[:, None] * nodes
    below = normal_cdf((points[:, :, None] - means) / deviations)
    arms = np.arange(len(means))
    below[arms, :, arms] = 1.0  # an arm is no rival of itself
    chances = below.prod(axis=2) @ weights
    shares: Vector = chances / chances.sum()
    return shares


@cache
def _quadrature() -> tuple[Vector, Vector]:
    """Gauss-Hermite nodes and weights for the standard normal density."""
    return np.polynomial.hermite_e.hermegauss(NODES)


def normal_cdf(z: Vector) -> Vector:
    """Φ, error below 1e-7 (Abramowitz and Stegun, 26.2.17)."""
    t = 1.0 / (1.0 + 0.2316419 * np.abs(z))
    polynomial = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    upper = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi) * polynomial
    chance: Vector = np.where(z >= 0, 1.0 - upper, upper)
    return chance
