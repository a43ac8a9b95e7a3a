"""`cql`: values of going on, stopping and beginning anew, fitted backward on logged episodes; one for all budgets.

Offline values with a conservative term (Kumar et al., 2020, arXiv:2006.04779; SeqRoute, arXiv:2605.25424), fitted by
realised payoffs and not by bootstrapping: from the last slot and step to the first, the payoff of each action under
what was fitted already is regressed on what is visible (Longstaff and Schwartz, 2001; fitted Q iteration of Ernst et
al., 2005). On a few hundred episodes a double-Q network with bootstrapped targets overrates long horizons; this does
not.

    Q(s, a) = S_a(s) - λ C_a(s) - κ(λ) [a ≠ a_logged],    κ(λ) = max(κ_least, κ_0 - κ_1 λ)

S, C: ridge regressions of success and cost to the end, for each slot and step; a_logged: the action of the static
schedule fitted for λ, which stands where data is thick. Every episode is replayed with many λ, which is an input.
Limits are kept by the mask, in training and in serving. With `sees_limits`, hindsight budget relabelling is added:
replays with sampled limits, and what remains as an input; cross-validated, that brought nothing under limits and cost
a point without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routing.steps.journey import CONTINUE, FIRST_RESTART, STOP, Bools, Floats, Ints, View
from routing.steps.schedules import StaticSchedules
from routing.steps.slots import Slots

MOST_REMAINING = 2.0  # units: more is as good as no limit
LIMITED = 4.0  # units: what remains below it is told as a limit
ALONE = 10.0  # successes: no value outweighs it
NEVER = -1e8  # of stopping before anything was begun, where something may be


@dataclass(frozen=True, kw_only=True)
class Conservatism:
    """κ(λ) = max(least, base - slope λ), in successes; below `begin` the schedule decides alone."""

    least: float = 0.02
    base: float = 0.12
    slope: float = 0.6
    begin: float = 0.05

    def at(self, weight: Floats) -> Floats:
        found: Floats = np.maximum(self.least, self.base - self.slope * weight)
        return np.where(weight < self.begin, ALONE, found)


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """One ridge regression: D inputs → success and cost of A actions (continue, then each following candidate)."""

    mean: Floats  # D
    scale: Floats  # D
    coefficients: Floats  # D × 2A: success, then cost
    intercept: Floats  # 2A

    @cached_property
    def _slope(self) -> Floats:
        found: Floats = self.coefficients / self.scale[:, None]
        return found

    @cached_property
    def _level(self) -> Floats:
        found: Floats = self.intercept - self.mean @ self._slope
        return found

    def __call__(self, inputs: Floats) -> tuple[Floats, Floats]:
        out = inputs @ self._slope + self._level
        half = out.shape[1] // 2
        return out[:, :half], out[:, half:]


class FittedQ:
    """Heads by slot and step; slot -1, step 0 is the beginning."""

    def __init__(
        self,
        slots: Slots,
        schedules: StaticSchedules,
        conservatism: Conservatism | None = None,
        *,
        sees_limits: bool = False,
    ) -> None:
        self.slots, self.schedules, self.sees_limits = slots, schedules, sees_limits
        self.conservatism = Conservatism() if conservatism is None else conservatism
        self.heads: dict[tuple[int, int], Head] = {}
        self._columns = [
            [CONTINUE, *(FIRST_RESTART + c for c in self.candidates_after(slot))]
            for slot in range(-1, len(slots.order))
        ]

    def candidates_after(self, slot: int) -> list[int]:
        """Who may be begun from a slot, whether tried or not."""
        return [c for c in range(self.slots.count) if self.slots.following[slot + 1, c] >= 0]

    def inputs(self, view: View, slot: int) -> Floats:
        """B × D: what was seen in the slots so far, crossed with a basis of λ and with what remains."""
        parts = [view.texts]
        for c in sorted(set(self.slots.order[: slot + 1])):
            parts += [view.signals[:, c], (view.seen[:, [c]] > 0).astype(np.float64)]
        seen = np.concatenate(parts, axis=1)
        t = np.log(view.weight + 0.05)[:, None] / 1.5
        curve = t * t - 1.0
        crossed = [seen, seen * t, seen * curve, t, curve]
        if not self.sees_limits:
            return np.concatenate(crossed, axis=1)
        left = np.minimum(view.remaining, MOST_REMAINING)
        limit = np.stack([left, np.log(left + 0.01), view.remaining < LIMITED], axis=1)
        return np.concatenate([*crossed, limit, limit * t], axis=1)

    def scores(self, view: View, allowed: Bools) -> Floats:
        slot = self.slots.slot_of(view.current, view.seen)
        step = view.seen[np.arange(len(view)), np.maximum(view.current, 0)] * (view.current >= 0)
        logged = self.schedules.scores(view, allowed).argmax(axis=1)
        scores = np.zeros((len(view), FIRST_RESTART + self.slots.count))
        if len(view) == 1:
            groups = [(int(slot[0]), int(step[0]))]
        else:
            groups = [(int(s), int(k)) for s, k in np.unique(np.stack([slot, step], axis=1), axis=0)]
        for s, k in groups:
            rows = np.arange(1) if len(view) == 1 else np.flatnonzero((slot == s) & (step == k))
            part = view if len(view) == 1 else _rows(view, rows)
            scores[rows] = self._scores_at(s, k, part)
        penalty = np.repeat(self.conservatism.at(view.weight)[:, None], scores.shape[1], axis=1)
        penalty[np.arange(len(view)), logged] = 0.0
        scores -= penalty
        return np.where(allowed, scores, -np.inf)

    def _scores_at(self, slot: int, step: int, view: View) -> Floats:
        """B × (2 + C) before the conservative term."""
        scores = np.zeros((len(view), FIRST_RESTART + self.slots.count))
        head = self.heads.get((slot, step))
        if slot < 0:
            scores[:, STOP] = NEVER
        if head is None:
            return scores  # too few episodes came this far: the schedule decides
        success, cost = head(self.inputs(view, slot))
        value = success - view.weight[:, None] * cost
        scores[:, self._columns[slot + 1]] = value
        return scores

    def arrays(self) -> dict[str, NDArray[Any]]:
        found = self.schedules.arrays()
        for (slot, step), head in self.heads.items():
            name = f"head.{slot + 1}.{step}."
            for part in ("mean", "scale", "coefficients", "intercept"):
                found[name + part] = getattr(head, part)
        return found

    def settings(self) -> dict[str, Any]:
        kept = self.conservatism
        return {
            "order": list(self.slots.order),
            "count": self.slots.count,
            "conservatism": {"least": kept.least, "base": kept.base, "slope": kept.slope, "begin": kept.begin},
            "sees_limits": self.sees_limits,
        }

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]) -> FittedQ:
        """Raises KeyError, TypeError, ValueError, IndexError where the parts do not fit."""
        count = int(settings["count"])
        slots = Slots(order=tuple(int(c) for c in settings["order"]), count=count)
        schedules = StaticSchedules.restore(arrays, settings)
        kept, sees_limits = Conservatism(**settings["conservatism"]), bool(settings["sees_limits"])
        policy = cls(slots, schedules, kept, sees_limits=sees_limits)
        for name in sorted(arrays):
            if name.startswith("head.") and name.endswith(".mean"):
                _, slot, step, _ = name.split(".")
                stem = name.removesuffix("mean")
                policy.heads[int(slot) - 1, int(step)] = Head(
                    mean=arrays[name],
                    scale=arrays[stem + "scale"],
                    coefficients=arrays[stem + "coefficients"],
                    intercept=arrays[stem + "intercept"],
                )
        return policy


def _rows(view: View, rows: Ints) -> View:
    return View(
        texts=view.texts[rows],
        signals=view.signals[rows],
        current=view.current[rows],
        seen=view.seen[rows],
        weight=view.weight[rows],
        remaining=view.remaining[rows],
    )
