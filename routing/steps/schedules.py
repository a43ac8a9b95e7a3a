"""Static schedules: begin this candidate, give it so many steps, then begin the next; the same for every task.

Found for each weight of cost by climbing: change a quota, drop a candidate, swap two, put one in (Russell and Norvig,
*Artificial Intelligence*, section on local search). What a schedule is worth on logged episodes is exact. It is the
baseline that a learned policy must beat, and what the learned ones hold to where they know nothing better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routing.steps.journey import CONTINUE, FIRST_RESTART, STOP, Bools, Floats, Ints, View
from routing.steps.simulator import World
from routing.steps.slots import Slots, merged

Schedule = tuple[tuple[int, int], ...]  # of candidate and quota of steps
WEIGHTS: Floats = np.geomspace(0.02, 1.5, 15)


def run_schedule(world: World, schedule: Schedule) -> tuple[Floats, Floats]:
    """Success and cost in units of every task; exact, without a limit."""
    journeys = world.journeys
    count = len(journeys.task_ids)
    running, success, spent = np.ones(count, dtype=bool), np.zeros(count), np.zeros(count)
    paid = np.cumsum(world.steps, axis=2)
    for candidate, quota in schedule:
        length = journeys.length[candidate]
        ended = running & (length <= quota)
        spent += running * paid[candidate, np.arange(count), np.minimum(length, quota) - 1]
        success += ended * journeys.success[candidate]
        running = running & ~ended
    return success, spent


class _Climber:
    """Remembers what each schedule was worth; a schedule's prefix is shared work."""

    def __init__(self, world: World) -> None:
        self._journeys = world.journeys
        self._paid = np.cumsum(world.steps, axis=2)
        self._known: dict[Schedule, tuple[float, float]] = {}
        self.candidates, self.most = len(world.journeys.candidates), world.journeys.most_steps
        length = world.journeys.length
        rows = np.arange(length.shape[1])
        ks = range(1, self.most + 1)
        self._cost = {
            (c, k): self._paid[c, rows, np.minimum(length[c], k) - 1] for c in range(self.candidates) for k in ks
        }
        self._won = {(c, k): (length[c] <= k) * world.journeys.success[c] for c in range(self.candidates) for k in ks}
        self._open = {(c, k): (length[c] > k).astype(np.float64) for c in range(self.candidates) for k in ks}

    def worth(self, schedule: Schedule, weight: float) -> float:
        if schedule not in self._known:
            running, success, cost = np.ones(self._journeys.length.shape[1]), 0.0, 0.0
            for part in schedule:
                cost += float(running @ self._cost[part])
                success += float(running @ self._won[part])
                running = running * self._open[part]
            self._known[schedule] = (success / len(running), cost / len(running))
        success, cost = self._known[schedule]
        return success - weight * cost

    def climb(self, begin: Schedule, weight: float) -> tuple[float, Schedule]:
        best = (self.worth(begin, weight), begin)
        while True:
            found = max(((self.worth(each, weight), each) for each in self._neighbours(best[1])), default=best)
            if found[0] <= best[0] + 1e-9:
                return best
            best = found

    def _neighbours(self, schedule: Schedule) -> Iterator[Schedule]:
        used = {candidate for candidate, _ in schedule}
        for place, (candidate, quota) in enumerate(schedule):
            before, after = schedule[:place], schedule[place + 1 :]
            yield from (((*before, (candidate, k), *after)) for k in range(1, self.most + 1) if k != quota)
            if len(schedule) > 1:
                yield (*before, *after)
            for later in range(place + 1, len(schedule)):
                swapped = list(schedule)
                swapped[place], swapped[later] = swapped[later], swapped[place]
                yield tuple(swapped)
        for candidate in set(range(self.candidates)) - used:
            for place in range(len(schedule) + 1):
                before, after = schedule[:place], schedule[place:]
                yield from ((*before, (candidate, k), *after) for k in range(1, self.most + 1))
                if place:  # one more behind another, who gets less
                    last = schedule[place - 1][0]
                    shorter = (self.most - 1, self.most - 2, max(1, self.most // 2))
                    yield from ((*schedule[: place - 1], (last, k), (candidate, self.most)) for k in shorter if k > 0)


def fit_schedules(world: World, weights: Floats = WEIGHTS) -> tuple[Schedule, ...]:
    """The best one found for each weight, on the world's tasks. Deterministic."""
    climber = _Climber(world)
    found: list[Schedule] = []
    last: Schedule = ((0, climber.most),)
    for weight in weights[::-1]:
        begins = dict.fromkeys([last, *(((c, climber.most),) for c in range(climber.candidates))])
        last = max(climber.climb(begin, float(weight)) for begin in begins)[1]
        found.append(last)
    return tuple(found[::-1])


@dataclass(frozen=True, kw_only=True, eq=False)
class StaticSchedules:
    """A policy: the schedule of the nearest weight. `orders`, `quotas`: W × S candidates (-1: none) and their steps."""

    weights: Floats  # W
    orders: Ints
    quotas: Ints
    count: int  # of candidates

    @classmethod
    def of(cls, weights: Floats, schedules: tuple[Schedule, ...], count: int) -> StaticSchedules:
        longest = max(map(len, schedules))
        orders = np.full((len(schedules), longest), -1, dtype=np.int64)
        quotas = np.zeros_like(orders)
        for row, schedule in enumerate(schedules):
            orders[row, : len(schedule)] = [candidate for candidate, _ in schedule]
            quotas[row, : len(schedule)] = [quota for _, quota in schedule]
        return cls(weights=np.asarray(weights, dtype=np.float64), orders=orders, quotas=quotas, count=count)

    def slots(self) -> Slots:
        """An order that has every schedule's in it; those of the weights in the middle first."""
        middle = len(self.weights) // 2
        rows = sorted(range(len(self.weights)), key=lambda row: (abs(row - middle), row))
        parts = [tuple(int(c) for c in self.orders[row] if c >= 0) for row in rows]
        return Slots(order=merged(list(dict.fromkeys(parts))), count=self.count)

    def actions(self, view: View) -> Ints:
        """What the schedule would do, whether it is allowed or not; STOP at its end.

        Where a limit cut others short, the last one left goes on beyond its quota.
        """
        row = np.abs(np.log(self.weights + 1e-3) - np.log(view.weight[:, None] + 1e-3)).argmin(axis=1)
        orders, quotas = self.orders[row], self.quotas[row]
        rows = np.arange(len(view))
        is_current = (orders == view.current[:, None]) & (view.current >= 0)[:, None]
        place = np.where(is_current.any(axis=1), is_current.argmax(axis=1), -1)
        steps = view.seen[rows, np.maximum(view.current, 0)]
        taken = np.where(orders >= 0, view.seen[rows[:, None], np.maximum(orders, 0)], 0)
        behind = (orders >= 0) & (np.arange(orders.shape[1]) > place[:, None])
        later = behind & (taken == 0)
        is_cut = ~behind & ~is_current & (taken > 0) & (taken < quotas) & np.isfinite(view.remaining)[:, None]
        is_last_resort = ((behind & (taken > 0)) | is_cut).any(axis=1) & ~later.any(axis=1)  # others ran out of money
        is_within = steps < quotas[rows, np.maximum(place, 0)]
        goes_on = (view.current >= 0) & ((place < 0) | is_within | is_last_resort)
        begun = FIRST_RESTART + orders[rows, later.argmax(axis=1)]
        return np.where(goes_on, CONTINUE, np.where(later.any(axis=1), begun, STOP))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "schedules.weights": self.weights,
            "schedules.orders": self.orders,
            "schedules.quotas": self.quotas,
        }

    def settings(self) -> dict[str, Any]:
        return {"count": self.count}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]) -> StaticSchedules:
        """Raises KeyError, TypeError, ValueError."""
        count = int(settings["count"])
        weights, orders, quotas = (arrays[f"schedules.{name}"] for name in ("weights", "orders", "quotas"))
        if orders.shape != quotas.shape or orders.shape[:1] != weights.shape:
            raise ValueError(f"schedules of shapes {orders.shape}, {quotas.shape}, {weights.shape}")
        if not -1 <= orders.min() <= orders.max() < count:
            raise ValueError(f"schedules name candidates {orders.min()} to {orders.max()} of {count}")
        return cls(weights=weights, orders=orders, quotas=quotas, count=count)

    def scores(self, view: View, allowed: Bools) -> Floats:
        """1 for the schedule's action; then going on, then whoever may be begun, then the end."""
        scores = np.tile(np.r_[0.5, 0.0, np.full(self.count, 0.25)], (len(view), 1))
        scores[np.arange(len(view)), self.actions(view)] = 1.0
        return np.where(allowed, scores, -np.inf)
