"""Trails of one stage: for each task type and candidate what was earned, how often, how alike, and the pheromone."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import fsum
from typing import cast

import numpy as np

from routing.base import Vector
from routing.pheromone.base import TrailCell
from routing.pheromone.evaporation import Evaporation
from routing.pheromone.updates import TAU_START, UpdateRule
from storage.errors import InvalidInput
from storage.trail_records import TrailEvent

PRIOR_REWARD = 0.5  # of a candidate of which nothing is known
PRIOR_COUNT = 1.0  # k0: lessons that the prior weighs as much as
POOLING_COUNT = 8.0  # k1: lessons of one task type that the candidate's mean over all of them weighs as much as
NEGLIGIBLE_WEIGHT = 0.01  # of a task type in a mixture: below it nothing is booked
# spread: Σ w (x - mean)², so that variance = spread / n; used: seconds since 1970 of the last lesson
FIELDS = ("tau", "n", "mean", "spread", "tick", "used")


@dataclass(frozen=True, kw_only=True, eq=False)
class CellEstimates:
    """(arms,) each. Variances are in units of one reward's variance; they say nothing of how unlike cells are."""

    overall: Vector  # M, on all task types
    mean: Vector  # m, on this mixture
    variance: Vector
    tau: Vector


class TrailCells:
    """Arrays of task type × candidate, both sorted, so that the same cells have the same bits whoever came first.

    M_a = (k0 μ_a + Σ_t s_ta) / (k0 + Σ_t n_ta),   m_a(w) = Σ_t w_t (k1 M_a + s_ta) / (k1 + n_ta),
    v_a(w) = (Σ_t w_t k1 / (k1 + n_ta))² / (k0 + n_a) + Σ_t w_t² n_ta / (k1 + n_ta)²; s = n · mean, μ: the prior.
    n and s fade with time as the trails do.
    """

    def __init__(self, evaporation: Evaporation) -> None:
        self._evaporation = evaporation
        self.tasks: list[str] = []
        self.arms: list[str] = []
        self._fields = {name: np.zeros((0, 0)) for name in FIELDS}

    def estimates(
        self, arms: Sequence[str], mixture: Mapping[str, float], *, tick: float, priors: Vector | None = None
    ) -> CellEstimates:
        """`priors` (arms,): what is expected of each before anything was seen; None: the same of all."""
        known = {arm: place for place, arm in enumerate(self.arms)}
        places = np.array([known.get(arm, len(known)) for arm in arms], dtype=np.intp)  # the last: a column of zeros
        kept = self._evaporation.share_kept(tick - self._fields["tick"])
        n = _with_zeros(self._fields["n"] * kept)[:, places]
        s = n * _with_zeros(self._fields["mean"])[:, places]
        weights = np.array([mixture.get(task, 0.0) for task in self.tasks])
        unseen = max(fsum(mixture.values()) - fsum(weights.tolist()), 0.0)  # weight of task types without a cell
        prior = np.full(len(arms), PRIOR_REWARD) if priors is None else priors
        count = PRIOR_COUNT + n.sum(axis=0)
        overall = (PRIOR_COUNT * prior + s.sum(axis=0)) / count
        w, pooled = weights[:, None], POOLING_COUNT + n
        leaning = unseen + (w * POOLING_COUNT / pooled).sum(axis=0)  # weight of the candidate's overall mean
        faded = _with_zeros(TAU_START + (self._fields["tau"] - TAU_START) * kept, TAU_START)[:, places]
        return CellEstimates(
            overall=overall,
            mean=leaning * overall + (w * s / pooled).sum(axis=0),
            variance=leaning**2 / count + (w**2 * n / pooled**2).sum(axis=0),
            tau=unseen * TAU_START + (w * faded).sum(axis=0),
        )

    def deposit(self, event: TrailEvent, rule: UpdateRule, *, tick: float) -> None:
        """Books the event's utility on each task type by its weight in the mixture (weighted Welford: West, 1979)."""
        arm = cast(str, event.candidate_id)
        for task, share in sorted(event.mixture.items()):
            if share < NEGLIGIBLE_WEIGHT or event.weight <= 0:
                continue
            row, column = self._place(self.tasks, task, 0), self._place(self.arms, arm, 1)
            tau, n, mean, spread, was, used = (float(self._fields[name][row, column]) for name in FIELDS)
            kept = float(self._evaporation.share_kept(np.float64(tick - was)))
            weight, n, spread = share * event.weight, n * kept, spread * kept
            away = event.utility - mean
            mean += away * weight / (n + weight)
            spread += weight * away * (event.utility - mean)
            tau = rule(TAU_START + (tau - TAU_START) * kept, event, weight=weight, count=len(self.arms))
            used = max(used, event.at.timestamp())
            for name, value in zip(FIELDS, (tau, n + weight, mean, spread, max(tick, was), used), strict=True):
                self._fields[name][row, column] = value

    def scale(self, arm: str, *, most: float) -> None:
        """Leaves of the candidate's evidence at most so many lessons; its means stay."""
        if arm not in self.arms:
            return
        column = self.arms.index(arm)
        share = min(1.0, most / max(float(self._fields["n"][:, column].sum()), 1e-9))
        for name in ("n", "spread"):
            self._fields[name][:, column] *= share

    def restart(self, task: str) -> None:
        """Sets the row's trails back to the start; what was earned stays known."""
        if task in self.tasks:
            self._fields["tau"][self.tasks.index(task)] = TAU_START

    def forget(self, arm: str) -> None:
        if arm in self.arms:
            place = self.arms.index(arm)
            self.arms.pop(place)
            self._fields = {name: np.delete(values, place, axis=1) for name, values in self._fields.items()}

    def tau_of(self, task: str, *, tick: float) -> Vector:
        """(candidates,): the row's trails as they are now; empty for an unknown task type."""
        if task not in self.tasks:
            return np.zeros(0)
        row = self.tasks.index(task)
        kept = self._evaporation.share_kept(tick - self._fields["tick"][row])
        faded: Vector = TAU_START + (self._fields["tau"][row] - TAU_START) * kept
        return faded

    def move(self, former_to_task: Mapping[str, str], *, tick: float) -> None:
        """Books the cells of former task types under others; those of two types that became one are added up."""
        moved = TrailCells(self._evaporation)
        for former in self.tasks:
            for arm in self.arms:
                moved._add(former_to_task.get(former, former), arm, self._cell(former, arm, tick))
        self.tasks, self.arms, self._fields = moved.tasks, moved.arms, moved._fields

    def state(self) -> list[dict[str, object]]:
        """One a cell that was ever written: task, candidate, tau, n, mean, spread, tick, used."""
        return [
            {"task": task, "candidate": arm} | {name: float(self._fields[name][row, column]) for name in FIELDS}
            for row, task in enumerate(self.tasks)
            for column, arm in enumerate(self.arms)
        ]

    def shown(self, stage: str, *, tick: float) -> list[TrailCell]:
        """The cells that were ever taught, faded until this tick."""
        cells = []
        for task in self.tasks:
            for arm in self.arms:
                cell = self._cell(task, arm, tick)
                if cell["used"] > 0:
                    cells.append(_shown(task, stage, arm, cell))
        return cells

    def put(self, cell: Mapping[str, object]) -> None:
        """Puts back one cell of `state`. Raises InvalidInput."""
        try:
            values = {name: float(cast(float, cell[name])) for name in FIELDS}
            row = self._place(self.tasks, str(cell["task"]), 0)
            column = self._place(self.arms, str(cell["candidate"]), 1)
        except (KeyError, TypeError, ValueError) as exc:
            raise InvalidInput(f"A saved cell has {', '.join(FIELDS)}, not {cell!r:.200}.", field="cells") from exc
        for name, value in values.items():
            self._fields[name][row, column] = value

    def _cell(self, task: str, arm: str, tick: float) -> dict[str, float]:
        row, column = self.tasks.index(task), self.arms.index(arm)
        cell = {name: float(self._fields[name][row, column]) for name in FIELDS}
        kept = float(self._evaporation.share_kept(np.float64(tick - cell["tick"])))
        faded = {"n": cell["n"] * kept, "spread": cell["spread"] * kept, "tick": max(tick, cell["tick"])}
        return cell | faded | {"tau": TAU_START + (cell["tau"] - TAU_START) * kept}

    def _add(self, task: str, arm: str, cell: Mapping[str, float]) -> None:
        """Two samples' counts, means and spreads as those of one (Chan, Golub and LeVeque, 1979)."""
        row, column = self._place(self.tasks, task, 0), self._place(self.arms, arm, 1)
        here = {name: float(self._fields[name][row, column]) for name in FIELDS}
        n = here["n"] + cell["n"]
        share = cell["n"] / n if n > 0 else 0.0
        away = cell["mean"] - here["mean"]
        both = {
            "tau": here["tau"] + share * (cell["tau"] - here["tau"]) if n > 0 else cell["tau"],
            "n": n,
            "mean": here["mean"] + share * away,
            "spread": here["spread"] + cell["spread"] + away * away * here["n"] * share,
            "tick": max(here["tick"], cell["tick"]),
            "used": max(here["used"], cell["used"]),
        }
        for name, value in both.items():
            self._fields[name][row, column] = value

    def _place(self, names: list[str], name: str, axis: int) -> int:
        """Where it stands among the sorted names; makes room for a new one."""
        place = bisect_left(names, name)
        if place == len(names) or names[place] != name:
            names.insert(place, name)
            starts = {"tau": TAU_START}
            self._fields = {
                field: np.insert(values, place, starts.get(field, 0.0), axis=axis)
                for field, values in self._fields.items()
            }
        return place


def _shown(task: str, stage: str, arm: str, cell: Mapping[str, float]) -> TrailCell:
    n = cell["n"]
    return TrailCell(
        task=task,
        stage=stage,
        candidate_id=arm,
        tau=cell["tau"],
        n=n,
        mean=cell["mean"],
        variance=cell["spread"] / n if n > 0 else 0.0,
        used_at=datetime.fromtimestamp(cell["used"], UTC),
    )


def _with_zeros(values: Vector, fill: float = 0.0) -> Vector:
    """One more column, for candidates without a cell."""
    return np.concatenate([values, np.full((len(values), 1), fill)], axis=1)
