"""The per-task table: each candidate's mean quality and cost in each task, and a guess of the task where none is given.

The guess is a multinomial logistic regression over the query's embedding; the forecast is then the table's expectation
under the guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from routing.dataset import Dataset, mean_of_known
from routing.forecasts import Arrays, Forecast, Inputs, Matrix
from routing.predictors.array_predictor import ArrayPredictor
from routing.predictors.means import candidate_means, check_learnable, known_amounts
from skills.progress import Progress

STRENGTHS = (1.0, 10.0, 100.0)  # inverse penalties to pick from; rows have length one
USUAL_STRENGTH = 10.0  # where there is too little to pick by
HELD_OUT_SHARE = 0.2
LEAST_LABELLED = 50  # queries; with fewer nothing is held out
NO_TASK: Final = ""  # the table's only row where the data names no task


class TaskTable(ArrayPredictor):
    """Tasks × candidates. A label that training did not see counts as none; a cell without outcomes as its candidate's
    mean."""

    kind = "table"
    shapes: ClassVar = {
        "quality": ("tasks", "candidates"),
        "amounts": ("amounts", "tasks", "candidates"),
        "task_weights": ("dimension", "tasks"),
        "task_intercepts": ("tasks",),
    }

    def __init__(self, candidates: Sequence[str], weights: Arrays, *, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(candidates, weights, options=options)
        self._task_to_row = {task: row for row, task in enumerate(self.options["tasks"])}

    def predict(self, inputs: Inputs) -> Forecast:
        shares = self._task_shares(inputs)
        tables = zip(self.options["amounts"], self.weights["amounts"], strict=True)
        return Forecast(
            quality=np.clip(shares @ self.weights["quality"], 0.0, 1.0),
            **{name: shares @ table for name, table in tables},
        )

    def _task_shares(self, inputs: Inputs) -> Matrix:
        """Queries × tasks, rows summing to one: all on the label, or as the embedding says."""
        scores = inputs.embeddings.astype(np.float64) @ self.weights["task_weights"] + self.weights["task_intercepts"]
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: Matrix = powers / powers.sum(axis=1, keepdims=True)
        for place, task in enumerate(inputs.tasks):
            if (row := self._task_to_row.get(task or NO_TASK)) is not None:
                shares[place] = 0.0
                shares[place, row] = 1.0
        return shares


def fit(data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress) -> TaskTable:
    """Raises InvalidInput where no quality is known. `seed` says which queries the guess is tuned on."""
    check_learnable(data, inputs)
    tasks = sorted({task for task in data.tasks if task}) or [NO_TASK]
    names = known_amounts(data)
    on_progress(0, 2, "table")
    labels = np.array([tasks.index(task) if task else -1 for task in data.tasks])
    if tasks == [NO_TASK]:
        labels[:] = 0
    on_progress(1, 2, "tasks")
    weights, intercepts = _fit_tasks(inputs.embeddings, labels, len(tasks), seed=seed)
    on_progress(2, 2, "done")
    return TaskTable(
        data.candidates,
        {
            "quality": _table(data.quality, labels, len(tasks)),
            "amounts": np.stack([_table(getattr(data, name), labels, len(tasks)) for name in names]),
            "task_weights": weights,
            "task_intercepts": intercepts,
        },
        options={"tasks": tasks, "amounts": list(names)},
    )


def _table(matrix: Matrix, labels: NDArray[np.int64], count: int) -> Matrix:
    fallback = candidate_means(matrix)
    rows = np.stack([mean_of_known(matrix[labels == task]) for task in range(count)])
    return np.where(np.isnan(rows), fallback, rows)


def _fit_tasks(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], count: int, *, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights (dimension × tasks) and intercepts of the guess, from the labelled queries."""
    labelled = np.flatnonzero(labels >= 0)
    if count == 1:
        return np.zeros((embeddings.shape[1], 1)), np.zeros(1)
    strength = USUAL_STRENGTH
    if len(labelled) >= LEAST_LABELLED:
        shuffled = np.random.default_rng(seed).permutation(labelled)
        held_out, rest = np.split(shuffled, [round(HELD_OUT_SHARE * len(labelled))])
        if len(set(labels[rest])) == count:
            losses = [
                _log_loss(_fit_logistic(embeddings[rest], labels[rest], each), embeddings[held_out], labels[held_out])
                for each in STRENGTHS
            ]
            strength = STRENGTHS[int(np.argmin(losses))]
    return _fit_logistic(embeddings[labelled], labels[labelled], strength)


def _fit_logistic(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], strength: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Every task stands in `labels`."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopping early is one more penalty, no fault
        model = LogisticRegression(C=strength, max_iter=200, tol=1e-3).fit(embeddings.astype(np.float64), labels)
    weights, intercepts = model.coef_.T, model.intercept_
    if weights.shape[1] == 1:  # two tasks: one score, that of the second
        return np.hstack([np.zeros_like(weights), weights]), np.concatenate([[0.0], intercepts])
    return weights, intercepts


def _log_loss(
    model: tuple[NDArray[np.float64], NDArray[np.float64]], embeddings: NDArray[np.float32], labels: NDArray[np.int64]
) -> float:
    weights, intercepts = model
    scores = embeddings.astype(np.float64) @ weights + intercepts
    scores -= scores.max(axis=1, keepdims=True)
    right = np.take_along_axis(scores, labels[:, None], axis=1)[:, 0]
    return float((np.log(np.exp(scores).sum(axis=1)) - right).mean())
