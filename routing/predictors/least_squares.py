"""Ridge regression of many targets with holes in them, each with the penalty that generalised cross-validation picks.

score(α) = (residual sum of squares / n) / (1 - (df(α) + 1)/n)², df(α) = Σ s/(s + α) over the eigenvalues s of the Gram
matrix (Golub, Heath and Wahba, 1979). The intercept is not penalised.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PENALTIES = np.logspace(-1, 4, 16)  # of rows of length one: from hardly any to nearly constant
LEAST_FREEDOM = 0.1  # share of the rows that must be left to judge by; a smaller penalty is not considered


@dataclass(frozen=True, kw_only=True, eq=False)
class Linear:
    """features @ weights + intercepts."""

    weights: NDArray[np.float64]  # features × targets
    intercepts: NDArray[np.float64]


def fit_ridge(features: NDArray[np.float64], targets: NDArray[np.float64]) -> Linear:
    """`targets`: rows × targets, NaN where unknown; each has at least one known row."""
    weights = np.zeros((features.shape[1], targets.shape[1]))
    intercepts = np.zeros(targets.shape[1])
    patterns: dict[bytes, list[int]] = {}
    for column in range(targets.shape[1]):
        patterns.setdefault(np.isnan(targets[:, column]).tobytes(), []).append(column)
    for columns in patterns.values():  # one factorisation for all targets with the same holes
        rows = ~np.isnan(targets[:, columns[0]])
        fitted = _fit_full(features[rows], targets[rows][:, columns])
        weights[:, columns], intercepts[columns] = fitted.weights, fitted.intercepts
    return Linear(weights=weights, intercepts=intercepts)


def _fit_full(features: NDArray[np.float64], targets: NDArray[np.float64]) -> Linear:
    centre, means = features.mean(axis=0), targets.mean(axis=0)
    centred, rest = features - centre, targets - means
    values, vectors = np.linalg.eigh(centred.T @ centred)
    values = np.maximum(values, 0.0)
    products = vectors.T @ (centred.T @ rest)
    shrinkage = 1.0 / (values[None, :] + PENALTIES[:, None])  # penalties × eigenvalues
    fits = shrinkage[:, :, None] * products  # penalties × eigenvalues × targets
    residual = (rest**2).sum(axis=0) - 2 * (fits * products).sum(axis=1) + (fits**2 * values[:, None]).sum(axis=1)
    freedom = 1.0 - ((shrinkage * values).sum(axis=1) + 1.0) / len(features)
    allowed = freedom >= LEAST_FREEDOM
    allowed[-1] = True
    score = np.where(allowed[:, None], residual / np.maximum(freedom, LEAST_FREEDOM)[:, None] ** 2, np.inf)
    best = score.argmin(axis=0)
    weights = vectors @ np.take_along_axis(fits, best[None, None, :], axis=0)[0]
    return Linear(weights=weights, intercepts=means - centre @ weights)
