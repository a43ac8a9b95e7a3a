"""Logged episodes as arrays, the state of a batch of jobs among them, and what of it a policy may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from routing.dataset import Split
from routing.steps.episodes import Task, Trajectories
from routing.steps.features import SIGNALS, signals_of, text_signals
from storage.errors import InvalidInput

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CONTINUE, STOP, FIRST_RESTART = 0, 1, 2  # actions; FIRST_RESTART + j begins anew with candidate j
NO_LIMIT = np.inf  # of what remains


@dataclass(frozen=True, kw_only=True, eq=False)
class Journeys:
    """C candidates × N tasks × at most K steps × F signals. Costs in USD."""

    candidates: tuple[str, ...]
    task_ids: tuple[str, ...]
    sorts: tuple[str | None, ...]
    splits: tuple[Split, ...]
    texts: Floats  # N × T
    signals: Floats  # C × N × K × F, zeros after the end
    length: Ints  # C × N
    success: Floats  # C × N
    cost_usd: Floats  # C × N × K, zeros after the end
    left_out: int = 0  # tasks that one of the candidates has no episode of

    @property
    def most_steps(self) -> int:
        return int(self.signals.shape[2])

    @property
    def total_usd(self) -> Floats:
        """C × N: whole episodes."""
        total: Floats = self.cost_usd.sum(axis=2)
        return total

    def places_of(self, split: Split) -> Ints:
        return np.array([place for place, each in enumerate(self.splits) if each == split], dtype=np.int64)

    def only(self, places: Ints) -> Journeys:
        """These tasks, in this order."""
        return replace(
            self,
            task_ids=tuple(self.task_ids[place] for place in places),
            sorts=tuple(self.sorts[place] for place in places),
            splits=tuple(self.splits[place] for place in places),
            texts=self.texts[places],
            signals=self.signals[:, places],
            length=self.length[:, places],
            success=self.success[:, places],
            cost_usd=self.cost_usd[:, places],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class States:
    """B jobs under way. Amounts in units (journeys in USD divided by the unit)."""

    task: Ints  # B
    current: Ints  # B: the running candidate, -1 before the first
    seen: Ints  # B × C: steps seen of each candidate
    weight: Floats  # B: of cost
    remaining: Floats  # B

    def at(self, places: NDArray[np.int64] | NDArray[np.bool_]) -> States:
        return States(
            task=self.task[places],
            current=self.current[places],
            seen=self.seen[places],
            weight=self.weight[places],
            remaining=self.remaining[places],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """What a policy sees of B jobs at this moment."""

    texts: Floats  # B × T
    signals: Floats  # B × C × F: after the last step seen of each candidate; zeros where it was not tried
    current: Ints
    seen: Ints
    weight: Floats
    remaining: Floats

    def __len__(self) -> int:
        return int(self.current.shape[0])


class Scorer(Protocol):
    """A step policy."""

    def scores(self, view: View, allowed: Bools) -> Floats:
        """B × (2 + C): the highest is taken; -inf where not allowed. Asking twice gives the same answer."""
        ...


def ordered_candidates(data: Trajectories, candidates: Sequence[str]) -> tuple[str, ...]:
    """By cost, then success on the train tasks that all of them tried, then name.

    So neither the order of a list nor a candidate's name changes what is learned.
    """
    tasks = [task.id for task in _common(data, candidates) if task.split == "train"]
    return tuple(sorted(candidates, key=lambda id: _standing(data, id, tasks)))


def journeys_of(
    data: Trajectories, candidates: Sequence[str], *, needed: Sequence[str] = (), most_steps: int | None = None
) -> Journeys:
    """The tasks of which every candidate, and each that is `needed`, has an episode; candidates in the order given.

    `most_steps`: what signals count an episode's length by; None: the longest of these. Raises InvalidInput.
    """
    tasks = _common(data, (*candidates, *needed))
    if not tasks:
        raise InvalidInput(f"No task has an episode of each of {', '.join(candidates)}.", field="candidates")
    episodes = [[data.episodes[id, task.id] for task in tasks] for id in candidates]
    longest = max(len(episode.steps) for row in episodes for episode in row)
    most = longest if most_steps is None else most_steps
    shape = (len(candidates), len(tasks), max(longest, most))
    signals, cost = np.zeros((*shape, len(SIGNALS))), np.zeros(shape)
    for c, row in enumerate(episodes):
        for n, episode in enumerate(row):
            signals[c, n, : len(episode.steps)] = signals_of(episode.steps, most)
            cost[c, n, : len(episode.steps)] = [step.cost_usd or 0.0 for step in episode.steps]
    return Journeys(
        candidates=tuple(candidates),
        task_ids=tuple(task.id for task in tasks),
        sorts=tuple(task.sort for task in tasks),
        splits=tuple(task.split for task in tasks),
        texts=np.array([text_signals(task.text) for task in tasks]),
        signals=signals,
        length=np.array([[len(episode.steps) for episode in row] for row in episodes], dtype=np.int64),
        success=np.array([[float(episode.is_success) for episode in row] for row in episodes]),
        cost_usd=cost,
        left_out=len(data.tasks) - len(tasks),
    )


def starts(tasks: Ints, candidates: int, *, weight: float | Floats, remaining: float | Floats = NO_LIMIT) -> States:
    """Jobs before their first step."""
    count = len(tasks)
    return States(
        task=np.asarray(tasks, dtype=np.int64),
        current=np.full(count, -1, dtype=np.int64),
        seen=np.zeros((count, candidates), dtype=np.int64),
        weight=np.broadcast_to(np.asarray(weight, dtype=np.float64), (count,)).copy(),
        remaining=np.broadcast_to(np.asarray(remaining, dtype=np.float64), (count,)).copy(),
    )


def view_of(journeys: Journeys, states: States) -> View:
    """Only what was seen: a candidate's signals after its last step seen."""
    last = np.maximum(states.seen - 1, 0)
    places = np.arange(len(journeys.candidates))
    signals = journeys.signals[places, states.task[:, None], last] * (states.seen > 0)[:, :, None]
    return View(
        texts=journeys.texts[states.task],
        signals=signals,
        current=states.current,
        seen=states.seen,
        weight=states.weight,
        remaining=states.remaining,
    )


def _common(data: Trajectories, candidates: Sequence[str]) -> list[Task]:
    return [task for task in data.tasks if all((id, task.id) in data.episodes for id in candidates)]


def _standing(data: Trajectories, id: str, tasks: Sequence[str]) -> tuple[float, float, str]:
    rows = [data.episodes[id, task] for task in tasks]
    paid = sum(step.cost_usd or 0.0 for episode in rows for step in episode.steps)
    return round(paid, 9), -float(sum(episode.is_success for episode in rows)), id
