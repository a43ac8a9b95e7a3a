"""Counts what a router does with traffic, decision by decision, and makes its standing and its differences of that."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from orchestrator.replay.records import Change, CostSource, RouterName, Standing, Switch
from orchestrator.replay.traffic_log import Entry
from routing.evaluation.off_policy import Log, OffPolicy, Refusal, estimate

Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Pick:
    """What one router does with one decision. Quality and utility are the model's."""

    candidate_id: str
    probabilities: Mapping[str, float]
    cost_usd: float
    source: CostSource
    quality: float | None = None
    utility: float | None = None
    best_utility: float | None = None  # of all that could be picked

    @property
    def probability(self) -> float:
        return self.probabilities.get(self.candidate_id, 0.0)


class JudgedLog:
    """The judged decisions of the traffic: what off-policy estimates are made of. Memory: candidates × decisions."""

    def __init__(self, candidates: Sequence[str], *, most: int) -> None:
        self.columns = {id: column for column, id in enumerate(candidates)}
        self._actions = np.zeros(most, dtype=np.int64)
        self._propensity, self._quality = np.ones(most), np.zeros(most)
        self._model = np.zeros((most, len(candidates)))
        self.count = 0

    def add(self, entry: Entry, quality: float, model: Mapping[str, float]) -> None:
        """`model`: what is expected of each candidate that could be picked."""
        self._actions[self.count] = self.columns[entry.candidate_id]
        self._propensity[self.count], self._quality[self.count] = entry.propensity, quality
        for id, expected in model.items():
            self._model[self.count, self.columns[id]] = expected
        self.count += 1

    def estimated(self, target: Matrix, *, seed: int) -> OffPolicy | Refusal | None:
        """`target`: probabilities of a router, one row a judged decision. None: nothing was judged."""
        if not self.count:
            return None
        log = Log(
            actions=self._actions[: self.count],
            propensity=self._propensity[: self.count],
            rewards=self._quality[: self.count],
        )
        return estimate(log, target[: self.count], self._model[: self.count], seed=seed)

    @property
    def mean_quality(self) -> float | None:
        return float(self._quality[: self.count].mean()) if self.count else None


class Tally:
    """One router's."""

    def __init__(self, name: RouterName, judged: JudgedLog, *, most_judged: int) -> None:
        self.name = name
        self._judged = judged
        self._target = np.zeros((most_judged, len(judged.columns)))
        self._costs, self._qualities, self._gaps = list[float](), list[float](), list[float]()
        self._sources: Counter[CostSource] = Counter()
        self._shares: Counter[str] = Counter()
        self._switched = 0

    def add(self, entry: Entry, pick: Pick, *, judged_row: int | None) -> None:
        """`judged_row`: the decision's place among the judged ones; None: it is none of them."""
        self._costs.append(pick.cost_usd)
        self._sources[pick.source] += 1
        self._shares[pick.candidate_id] += 1
        self._switched += pick.candidate_id != entry.candidate_id
        if pick.quality is not None:
            self._qualities.append(pick.quality)
        if pick.utility is not None and pick.best_utility is not None:
            self._gaps.append(pick.best_utility - pick.utility)
        if judged_row is not None:
            for id, probability in pick.probabilities.items():
                self._target[judged_row, self._judged.columns[id]] = probability

    def standing(self, *, seed: int, is_logged: bool = False) -> Standing:
        count = len(self._costs)
        return Standing(
            router=self.name,
            cost_usd=fsum(self._costs) / count,
            total_cost_usd=fsum(self._costs),
            cost_sources=dict(self._sources.most_common()),
            shares={id: times / count for id, times in self._shares.most_common()},
            switched=self._switched,
            expected_quality=_mean(self._qualities),
            regret=_mean(self._gaps),
            quality=self._judged.estimated(self._target, seed=seed),
            observed_quality=self._judged.mean_quality if is_logged else None,
        )


class Differences:
    """Between two routers on the same decisions: the switches, and the largest changes, at most so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pair_to_count: Counter[tuple[str, str]] = Counter()
        self._pair_to_cost: dict[tuple[str, str], list[float]] = {}
        self._largest: list[_Ranked] = []
        self.changed = 0

    def add(self, entry: Entry, old: Pick, new: Pick) -> None:
        """Nothing where both pick the same one."""
        if old.candidate_id == new.candidate_id:
            return
        self.changed += 1
        pair, cost = (old.candidate_id, new.candidate_id), new.cost_usd - old.cost_usd
        self._pair_to_count[pair] += 1
        self._pair_to_cost.setdefault(pair, []).append(cost)
        utility = _less(new.utility, old.utility)
        change = Change(
            decision_id=entry.decision_id,
            run_id=entry.run_id,
            decided_at=entry.decided_at,
            task=entry.task,
            from_id=old.candidate_id,
            to_id=new.candidate_id,
            from_probability=old.probability,
            to_probability=new.probability,
            cost_change_usd=cost,
            cost_source=new.source,
            quality_change=_less(new.quality, old.quality),
            utility_change=utility,
        )
        heapq.heappush(self._largest, _Ranked.of(change))
        if len(self._largest) > self._most:
            heapq.heappop(self._largest)

    @property
    def switches(self) -> tuple[Switch, ...]:
        """Most frequent first."""
        ordered = sorted(self._pair_to_count.items(), key=lambda item: (-item[1], item[0]))
        return tuple(
            Switch(from_id=pair[0], to_id=pair[1], count=count, cost_change_usd=fsum(self._pair_to_cost[pair]))
            for pair, count in ordered
        )

    @property
    def changes(self) -> tuple[Change, ...]:
        """Largest first: by utility where there is a model of it, else by cost."""
        return tuple(each.change for each in sorted(self._largest, reverse=True))


@dataclass(frozen=True, order=True)
class _Ranked:
    size: float
    decision_id: str
    change: Change = field(compare=False)

    @classmethod
    def of(cls, change: Change) -> Self:
        size = change.cost_change_usd if change.utility_change is None else change.utility_change
        return cls(abs(size), change.decision_id, change)


def _mean(values: Sequence[float]) -> float | None:
    return fsum(values) / len(values) if values else None


def _less(new: float | None, old: float | None) -> float | None:
    return None if new is None or old is None else new - old
