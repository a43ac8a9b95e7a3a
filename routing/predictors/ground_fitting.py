"""Fits the groundwork: tasks, their table by empirical Bayes, and what it says of training queries it did not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from routing.dataset import Dataset, mean_of_known
from routing.forecasts import Inputs, Matrix
from routing.predictors.groundwork import Ground, Groundwork
from routing.predictors.query_features import QueryFeatures
from routing.predictors.task_posterior import PosteriorFit
from skills.progress import Progress
from storage.errors import InvalidInput

BLOCKS = 5  # parts of the training queries, each looked at by what was fitted on the others
LEAST_QUERIES = 4 * BLOCKS  # fewer are not parted
CLUSTER_QUERIES, MOST_CLUSTERS = 120, 12  # where no task is named
AMOUNTS = ("cost_usd", "latency_seconds", "energy_joules")
POOLED_COUNT = 20.0  # queries of a task that weigh as much as all tasks' covariance
DIAGONAL_SHARE = 0.2  # of the covariance between tasks, for its shrinkage

Places = NDArray[np.int64]
Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """The groundwork, and the training queries as it sees them."""

    groundwork: Groundwork
    told: Ground  # with their tasks, each by the table of the other blocks
    unseen: Ground  # without them, each by posterior and table of the other blocks
    blocks: Places  # of each training query: 0 … count - 1; all 0 where there are too few to part
    tables: tuple[dict[str, Matrix], ...]  # by block: of the other blocks; `quality` and `cost_usd`
    tasks: Places  # of each training query

    @property
    def is_parted(self) -> bool:
        return bool(self.blocks.any())


# The last groundwork of each data set still in use: `auto` fits three routers that stand on the same one.
_latest: WeakKeyDictionary[Dataset, tuple[Inputs, int, Fitted]] = WeakKeyDictionary()


def fit_groundwork(data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress) -> Fitted:
    """Not fitted again for the same objects and seed. Raises InvalidInput if no quality is known."""
    known = _latest.get(data)
    if known is not None and known[0] is inputs and known[1] == seed:
        return known[2]
    fitted = _fitted(data, inputs, seed=seed, on_progress=on_progress)
    _latest[data] = (inputs, seed, fitted)
    return fitted


def _fitted(data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress) -> Fitted:
    if np.isnan(data.quality).all():
        raise InvalidInput("No candidate has a known quality; at least one outcome is needed.", field="quality")
    features = QueryFeatures.fit(inputs)
    rows = features(inputs)
    names, tasks, is_named = _tasks(inputs.tasks, rows, seed)
    count = max(1, int(tasks.max()) + 1)
    blocks = _blocks(len(data), seed)
    on_progress(0, BLOCKS + 1, "tasks")
    fitting = PosteriorFit(rows, tasks, count=count, seed=seed)
    posterior = fitting.fit(np.arange(len(rows)))
    groundwork = Groundwork(features, posterior, tasks=names, tables=_tables(data, tasks, count))
    shares, tables = posterior(rows), [groundwork.tables]
    if blocks.any():
        tables = []
        for block in range(BLOCKS):
            on_progress(block + 1, BLOCKS + 1, "tasks")
            others, these = np.flatnonzero(blocks != block), np.flatnonzero(blocks == block)
            shares[these] = fitting.fit(others)(rows[these])
            tables.append(_tables(data.rows(others), tasks[others], count))
    on_progress(BLOCKS + 1, BLOCKS + 1, "tasks")
    told = np.eye(count)[tasks]
    told[~is_named] = shares[~is_named]
    return Fitted(
        groundwork=groundwork,
        told=_ground(rows, told, is_named, tables, blocks),
        unseen=_ground(rows, shares, np.zeros(len(rows), dtype=bool), tables, blocks),
        blocks=blocks,
        tables=tuple(tables),
        tasks=tasks,
    )


def _tasks(named: Sequence[str | None], rows: Matrix, seed: int) -> tuple[tuple[str, ...], Places, NDArray[np.bool_]]:
    """Names, each query's place among them, and whether it was named. Unnamed queries go to the nearest mean.

    Where there is no name at all, clusters are the tasks, and no name stands for them.
    """
    names = tuple(sorted({task for task in named if task is not None}))
    is_named = np.array([task is not None for task in named], dtype=bool)
    if not names:
        return (), _clusters(rows, seed), is_named
    place = {task: index for index, task in enumerate(names)}
    tasks = np.array([place.get(task or "", -1) for task in named], dtype=np.int64)
    if not is_named.all():
        means = np.stack([rows[tasks == index].mean(axis=0) for index in range(len(names))])
        distances = ((rows[~is_named, None, :] - means[None]) ** 2).sum(axis=2)
        tasks[~is_named] = distances.argmin(axis=1)
    return names, tasks, is_named


def _clusters(rows: Matrix, seed: int) -> Places:
    count = int(np.clip(len(rows) // CLUSTER_QUERIES, 1, MOST_CLUSTERS))
    if count == 1:
        return np.zeros(len(rows), dtype=np.int64)
    from sklearn.cluster import KMeans

    return np.asarray(KMeans(count, n_init=2, random_state=seed).fit_predict(rows), dtype=np.int64)


def _blocks(count: int, seed: int) -> Places:
    if count < LEAST_QUERIES:
        return np.zeros(count, dtype=np.int64)
    blocks = np.empty(count, dtype=np.int64)
    blocks[np.random.default_rng(seed).permutation(count)] = np.arange(count) % BLOCKS
    return blocks


def _ground(
    rows: Matrix, shares: Matrix, is_told: NDArray[np.bool_], tables: Sequence[dict[str, Matrix]], blocks: Places
) -> Ground:
    quality = np.stack([tables[block]["quality"] for block in range(len(tables))])
    cost = np.stack([tables[block]["cost_usd"] for block in range(len(tables))])
    return Ground(
        features=rows,
        tasks=shares,
        is_told=is_told,
        quality=np.einsum("nt,ntc->nc", shares, quality[blocks]),
        cost_usd=np.einsum("nt,ntc->nc", shares, cost[blocks]),
    )


def _tables(data: Dataset, tasks: Places, count: int) -> dict[str, Matrix]:
    """Tasks × candidates, for quality and for each amount that is known."""
    members = np.eye(count)[tasks]
    tables = {"quality": quality_table(data.quality, members)}
    for name in AMOUNTS:
        amounts = getattr(data, name)
        if name == "cost_usd" or not np.isnan(amounts).all():
            tables[name] = _amount_table(amounts, members)
    return tables


def _amount_table(amounts: Matrix, members: Matrix) -> Matrix:
    """Means with one made-up outcome at the candidate's overall mean; zeros where nothing is known at all."""
    known = ~np.isnan(amounts)
    overall = _filled_means(amounts)
    table: Matrix = (members.T @ np.where(known, amounts, 0.0) + overall) / (members.T @ known + 1)
    return table


def quality_table(quality: Matrix, members: Matrix) -> Matrix:
    """Task means under T_t ~ N(g, S), mean_t | T_t ~ N(T_t, W_t / n_t): multivariate empirical Bayes (Efron and Morris,
    1972), where candidates share queries, so that S and W_t are full matrices and a task borrows from its likes.

    `members`: queries × tasks, one and zeros. A task without a query has the overall means.
    """
    overall = _filled_means(quality)
    known = ~np.isnan(quality)
    counts = np.maximum(members.sum(axis=0), 1e-9)
    cells = members.T @ known
    start = (members.T @ np.where(known, quality, 0.0) + 1e-6 * overall) / (cells + 1e-6)
    filled = np.where(known, quality, members @ start)
    means = np.where(members.sum(axis=0)[:, None] > 0, (members.T @ filled) / counts[:, None], overall)
    task_count, candidates = means.shape
    if task_count < 2 or len(quality) <= task_count:
        return means
    residuals = filled - members @ means
    noise = _noise(residuals, members)
    contrasts = means - overall
    between = ((contrasts.T * counts) @ contrasts - noise.sum(axis=0)) / counts.sum()
    between = _positive((1 - DIAGONAL_SHARE) * between + DIAGONAL_SHARE * np.diag(np.maximum(np.diag(between), 0)))
    shrunk = [
        overall + between @ np.linalg.solve(between + noise[task] / counts[task] + 1e-9 * np.eye(candidates), contrast)
        if members[:, task].any()
        else overall
        for task, contrast in enumerate(contrasts)
    ]
    return np.array(shrunk)


def _noise(residuals: Matrix, members: Matrix) -> NDArray[np.float64]:
    """Tasks × candidates × candidates: covariance within a task, drawn to that within all."""
    pooled = residuals.T @ residuals / max(1, len(residuals) - members.shape[1])
    noise = []
    for task in range(members.shape[1]):
        own = residuals[members[:, task] > 0]
        share = POOLED_COUNT / (POOLED_COUNT + len(own))
        noise.append((1 - share) * (own.T @ own) / max(1, len(own) - 1) + share * pooled)
    return np.array(noise)


def _positive(matrix: Matrix) -> Matrix:
    """The nearest matrix without a negative eigenvalue, a little lifted."""
    values, vectors = np.linalg.eigh(matrix)
    lifted = np.maximum(values, 1e-3 * max(float(values.max()), 1e-9))
    positive: Matrix = (vectors * lifted) @ vectors.T
    return positive


def _filled_means(matrix: Matrix) -> Vector:
    """Column means; the mean of all for a column without a known cell; 0 without any."""
    means = mean_of_known(matrix)
    if np.isnan(means).all():
        return np.zeros(len(means))
    return np.where(np.isnan(means), np.nanmean(matrix), means)
