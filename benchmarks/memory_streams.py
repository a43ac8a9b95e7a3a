"""Streams on which memories are judged: tasks that every candidate has done, with what each would have earned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routing.base import Context
from routing.features import excerpt
from routing.registry import make_encoder
from routing.steps.episodes import read_trajectories
from routing.training.files import read_dataset
from skills.embedding import embed
from skills.progress import Progress

COST_WEIGHT = 0.3  # utility = success - 0.3 cost / mean cost of the most successful candidate
TRAJECTORIES = {"mint": "trajectories/mint", "intercode_sql": "trajectories/intercode_sql"}
QUERIES = {"zeroeval": 600, "bfcl": 700}  # of the routing sets, at most; drawn once
LEAST_KNOWN = 0.98  # share of a set's queries that a candidate must have an outcome of
Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Stream:
    """Queries × arms. Contexts show the task's label and the text's vector."""

    name: str
    arms: tuple[str, ...]
    contexts: Sequence[Context]
    success: Matrix
    cost: Matrix  # in units of the most successful candidate's mean

    @property
    def utility(self) -> Matrix:
        """May be below 0; what policies hear of is clipped to [0, 1]."""
        return self.success - COST_WEIGHT * self.cost

    @property
    def static(self) -> Matrix:
        """(arms,): what always taking one of them earns."""
        means: Matrix = self.utility.mean(axis=0)
        return means

    def changed(self, arm: int, success: Matrix) -> Stream:
        """The same with other outcomes (queries,) of one arm."""
        outcomes = self.success.copy()
        outcomes[:, arm] = success
        return replace(self, success=outcomes)


def load_stream(name: str, data: Path, *, encoder: str, cache: Path, on_progress: Progress) -> Stream:
    """Raises InvalidInput for an unknown set or one that is not there, EncoderUnavailable."""
    if name in TRAJECTORIES:
        arms, texts, tasks, success, cost = _trajectories(data / TRAJECTORIES[name])
    else:
        arms, texts, tasks, success, cost = _outcomes(data / "routing" / name, QUERIES.get(name, 1000))
    made = make_encoder(encoder)
    vectors = embed([excerpt(text) for text in texts], made, cache_dir=cache, on_progress=on_progress)
    sorts = sorted(set(tasks))
    contexts = [
        Context(
            task=task,
            task_mixture={task: 1.0},
            vector=np.array([1.0, *(float(task == sort) for sort in sorts)]),
            encoder=made.name,
            embedding=vector,
        )
        for task, vector in zip(tasks, vectors, strict=True)
    ]
    unit = cost[:, success.mean(axis=0).argmax()].mean()
    return Stream(name=name, arms=tuple(arms), contexts=contexts, success=success, cost=cost / unit)


def _trajectories(folder: Path) -> tuple[list[str], list[str], list[str], Matrix, Matrix]:
    """Of the candidates that have prices, the tasks that all of them did."""
    found = read_trajectories(folder)
    arms = list(found.priced)
    tasks = [task for task in found.tasks if all((arm, task.id) in found.episodes for arm in arms)]
    episodes = [[found.episodes[arm, task.id] for arm in arms] for task in tasks]
    success = np.array([[float(each.is_success) for each in row] for row in episodes])
    cost = np.array([[sum(step.cost_usd or 0.0 for step in each.steps) for each in row] for row in episodes])
    return arms, [task.text for task in tasks], [task.sort or "any" for task in tasks], success, cost


def _outcomes(folder: Path, most: int) -> tuple[list[str], list[str], list[str], Matrix, Matrix]:
    """Queries in an order drawn once, of candidates nearly all of whose outcomes are known."""
    data = read_dataset(folder)
    is_used = (~np.isnan(data.quality)).mean(axis=0) >= LEAST_KNOWN
    quality, cost = data.quality[:, is_used], data.cost_usd[:, is_used]
    cost = np.where(np.isnan(cost), np.nanmean(cost, axis=0), cost)
    drawn = np.random.default_rng(0).permutation(len(quality))[:most]
    places = [int(place) for place in drawn if not np.isnan(quality[place]).any()]
    arms = [arm for arm, is_there in zip(data.candidates, is_used, strict=True) if is_there]
    texts, tasks = [data.texts[place] for place in places], [data.tasks[place] or "any" for place in places]
    return arms, texts, tasks, quality[places], cost[places]
