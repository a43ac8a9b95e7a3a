"""Which task a query belongs to: multinomial logistic regression, fitted by scikit-learn and served by numpy."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from routing.forecasts import Arrays, Matrix

PENALTY_INVERSE = 0.2  # scikit-learn's C
MANY_TASKS = 20  # with more, fewer steps: each takes longer and changes less
STEPS, FEWER_STEPS = 100, 60


class TaskPosterior:
    """softmax(x W + b), queries × tasks."""

    def __init__(self, coefficients: Matrix, intercepts: NDArray[np.float64]) -> None:
        """`coefficients`: features × tasks."""
        if coefficients.ndim != 2 or coefficients.shape[1:] != intercepts.shape:
            raise ValueError(f"Coefficients {coefficients.shape} do not fit intercepts {intercepts.shape}.")
        self._coefficients, self._intercepts = coefficients, intercepts

    @classmethod
    def fit(cls, rows: Matrix, tasks: NDArray[np.int64], *, count: int) -> Self:
        """`tasks`: one of 0 … count - 1 a row; a task without a row keeps a probability of almost nothing."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        there = np.unique(tasks)
        coefficients, intercepts = np.zeros((rows.shape[1], count)), np.full(count, -30.0)
        if len(there) < 2:
            intercepts[there] = 0.0
            return cls(coefficients, intercepts)
        steps = STEPS if count <= MANY_TASKS else FEWER_STEPS
        regression = LogisticRegression(C=PENALTY_INVERSE, max_iter=steps, tol=1e-3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # stopping early is meant
            regression.fit(rows, tasks)
        fitted, offsets = regression.coef_.T, regression.intercept_
        if len(there) == 2:  # one column for both: half for each
            fitted, offsets = np.hstack([-fitted / 2, fitted / 2]), np.array([-offsets[0] / 2, offsets[0] / 2])
        coefficients[:, there], intercepts[there] = fitted, offsets
        return cls(coefficients, intercepts)

    def __call__(self, rows: Matrix) -> Matrix:
        scores = rows @ self._coefficients + self._intercepts
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: Matrix = powers / powers.sum(axis=1, keepdims=True)
        return shares

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"coefficients": self._coefficients, "intercepts": self._intercepts}

    @classmethod
    def restore(cls, arrays: Arrays) -> Self:
        """Undo of `arrays`. Raises KeyError, ValueError."""
        return cls(arrays["coefficients"].astype(np.float64), arrays["intercepts"].astype(np.float64))
