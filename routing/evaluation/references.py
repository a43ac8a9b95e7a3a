"""What every router is compared with, learned by counting alone: random, oracle, best single, cheapest, task table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from routing.dataset import Dataset, mean_of_known
from routing.evaluation.outcomes import Outcomes
from routing.forecasts import Forecast, Matrix

RANDOM = "random"
ORACLE = "oracle"
BEST_SINGLE = "best_single"
CHEAPEST = "cheapest"
TABLE = "table (labels)"  # sees the task labels, also where routers do not

REFERENCES = (RANDOM, CHEAPEST, BEST_SINGLE, TABLE, ORACLE)


def best_single_order(train: Dataset) -> NDArray[np.int64]:
    """Columns by mean quality in training, best first; never measured ones last."""
    means = mean_of_known(train.quality)
    return np.argsort(-np.where(np.isnan(means), -np.inf, means), kind="stable")


def cheapest_order(train: Dataset) -> NDArray[np.int64]:
    """Columns by mean cost in training, cheapest first; unknown costs last."""
    means = mean_of_known(train.cost_usd)
    return np.argsort(np.where(np.isnan(means), np.inf, means), kind="stable")


def oracle_forecast(outcomes: Outcomes) -> Forecast:
    """What really happened: no router can do better than choosing by this."""
    return Forecast(quality=outcomes.quality, cost_usd=outcomes.cost_usd)


def table_forecast(train: Dataset, tasks: tuple[str | None, ...]) -> Forecast:
    """Mean quality and cost of each task and candidate in training; where that is unknown, the candidate's mean.

    A candidate never measured in training is expected to have quality 0 and the mean cost of all.
    """
    known_tasks = sorted({task for task in train.tasks if task is not None})
    places = {task: place for place, task in enumerate(known_tasks)}
    rows = np.array([places.get(task, len(places)) if task is not None else len(places) for task in tasks], dtype=int)
    quality = _by_task(train.quality, train.tasks, known_tasks, spare=0.0)
    costs = train.cost_usd
    spare_cost = 0.0 if np.isnan(costs).all() else float(np.nanmean(costs))
    return Forecast(quality=quality[rows], cost_usd=_by_task(costs, train.tasks, known_tasks, spare=spare_cost)[rows])


def _by_task(matrix: Matrix, tasks: tuple[str | None, ...], known: list[str], *, spare: float) -> Matrix:
    """A row a task, and one more for queries of unknown task."""
    whole = mean_of_known(matrix)
    whole = np.where(np.isnan(whole), spare, whole)
    labels = np.array([task if task is not None else "" for task in tasks], dtype=object)
    has_label = np.array([task is not None for task in tasks], dtype=bool)
    means = [mean_of_known(matrix[has_label & (labels == task)]) for task in known]
    return np.stack([*(np.where(np.isnan(row), whole, row) for row in means), whole])
