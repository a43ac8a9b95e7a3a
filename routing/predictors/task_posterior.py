"""Which task a query belongs to: multinomial logistic regression, fitted by scikit-learn and served by numpy."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from routing.forecasts import Arrays, Matrix
from routing.predictors.kernels import Landmarks, landmarks_of
from routing.predictors.text_signals import SIGNAL_COUNT

PENALTY_INVERSE = 0.2  # scikit-learn's C
MANY_TASKS = 20  # with more, fewer steps: each takes longer and changes less
STEPS, FEWER_STEPS = 100, 60
LANDMARKS = 300  # of the signals
WIDTH = 0.3
KERNEL_WEIGHT = 6.0
NEVER = -30.0  # score of a task that was not there to learn from


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskPosterior:
    """softmax(x W + k(s) V + b), queries × tasks; s are the signals at the end of x, k their likeness to landmarks."""

    landmarks: Landmarks
    feature_weights: Matrix  # features × tasks
    kernel_weights: Matrix  # landmarks × tasks
    intercepts: NDArray[np.float64]

    def __call__(self, features: Matrix) -> Matrix:
        likeness = self.landmarks(signals_of(features))
        scores = features @ self.feature_weights + likeness @ self.kernel_weights + self.intercepts
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: Matrix = powers / powers.sum(axis=1, keepdims=True)
        return shares

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "landmarks": self.landmarks.points,
            "feature_weights": self.feature_weights,
            "kernel_weights": self.kernel_weights,
            "intercepts": self.intercepts,
        }

    @classmethod
    def restore(cls, arrays: Arrays) -> Self:
        """Undo of `arrays`. Raises KeyError, ValueError."""
        posterior = cls(
            landmarks=Landmarks(shape="gauss", width=WIDTH, points=arrays["landmarks"].astype(np.float32)),
            feature_weights=arrays["feature_weights"].astype(np.float64),
            kernel_weights=arrays["kernel_weights"].astype(np.float64),
            intercepts=arrays["intercepts"].astype(np.float64),
        )
        tasks = len(posterior.intercepts)
        if {posterior.feature_weights.shape[1], posterior.kernel_weights.shape[1]} != {tasks}:
            raise ValueError(f"The task posterior's weights are not those of {tasks} tasks.")
        return posterior


class PosteriorFit:
    """Fits posteriors on parts of the same rows, which share their landmarks."""

    def __init__(self, features: Matrix, tasks: NDArray[np.int64], *, count: int, seed: int) -> None:
        """`tasks`: one of 0 … count - 1 a row."""
        self._features, self._tasks, self._count = features, tasks, count
        signals = signals_of(features)
        self._kernel = landmarks_of(signals, "gauss", count=LANDMARKS, width=WIDTH, seed=seed)
        self._rows = np.concatenate([features, self._kernel(signals) * KERNEL_WEIGHT], axis=1)

    def fit(self, places: NDArray[np.int64]) -> TaskPosterior:
        """On these rows; a task without a row keeps a probability of almost nothing."""
        weights, intercepts = _regression(self._rows[places], self._tasks[places], self._count)
        size = self._features.shape[1]
        return TaskPosterior(
            landmarks=self._kernel.landmarks,
            feature_weights=weights[:size],
            kernel_weights=self._kernel.whitening @ weights[size:] * KERNEL_WEIGHT,
            intercepts=intercepts,
        )


def signals_of(features: Matrix) -> Matrix:
    return np.asarray(features[:, -SIGNAL_COUNT:] / np.sqrt(SIGNAL_COUNT))


def _regression(rows: Matrix, tasks: NDArray[np.int64], count: int) -> tuple[Matrix, NDArray[np.float64]]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    there = np.unique(tasks)
    weights, intercepts = np.zeros((rows.shape[1], count)), np.full(count, NEVER)
    if len(there) < 2:
        intercepts[there] = 0.0
        return weights, intercepts
    steps = STEPS if count <= MANY_TASKS else FEWER_STEPS
    regression = LogisticRegression(C=PENALTY_INVERSE, max_iter=steps, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopping early is meant
        regression.fit(rows, tasks)
    fitted, offsets = regression.coef_.T, regression.intercept_
    if len(there) == 2:  # one column for both: half for each
        fitted, offsets = np.hstack([-fitted / 2, fitted / 2]), np.array([-offsets[0] / 2, offsets[0] / 2])
    weights[:, there], intercepts[there] = fitted, offsets
    return weights, intercepts
