"""The hard mask: a step may be taken only where a whole answer can still be paid for afterwards.

What must fit: the step at its worst, and the 95th percentile of the cheapest completion after it: the rest of that
candidate's episode, or the whole of one that may still be begun. The same mask holds in training and in serving.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from routing.steps.journey import CONTINUE, FIRST_RESTART, STOP, Bools, Floats, Ints, Journeys, View
from routing.steps.slots import Slots

PERCENTILE = 95
FEWEST = 20  # costs of a step, for a percentile of its own
MARGIN = 1.1  # of the dearest step seen; where all steps cost the same, that is the price
SLACK = 1e-9  # of the comparison, in units


@dataclass(frozen=True, kw_only=True, eq=False)
class Prices:
    """In units. `steps`: C × K, the 95th percentile of each step; later ones are never cheaper. `worst`: C × K."""

    steps: Floats
    worst: Floats

    def left(self) -> Floats:
        """C × (K + 1): what the rest of an episode costs after so many steps."""
        total = np.cumsum(self.steps[:, ::-1], axis=1)[:, ::-1]
        return np.concatenate([total, np.zeros((len(total), 1))], axis=1)


def prices_of(journeys: Journeys, unit_usd: float) -> Prices:
    """Of these episodes. A step that few of them have costs at least what the one before it does."""
    count, _, most = journeys.cost_usd.shape
    steps, worst = np.zeros((2, count, most))
    for c in range(count):
        dearest, cheapest = _ends(journeys.cost_usd[c], journeys.length[c])
        worst[c] = dearest if dearest - cheapest <= SLACK else MARGIN * dearest
        for k in range(most):
            paid = journeys.cost_usd[c, journeys.length[c] > k, k]
            if len(paid) >= FEWEST or k == 0:
                steps[c, k] = np.percentile(paid, PERCENTILE)
            elif len(paid):
                steps[c, k] = paid.max()
        steps[c] = np.maximum.accumulate(steps[c])
    return Prices(steps=steps / unit_usd, worst=worst / unit_usd)


def _ends(cost_usd: Floats, length: Ints) -> tuple[float, float]:
    """Of one candidate's paid steps: the dearest and the cheapest."""
    paid = cost_usd[np.arange(cost_usd.shape[1]) < length[:, None]]
    return float(paid.max()), float(paid.min())


class Mask:
    """Which actions may be taken. `slots`: in which order candidates may be begun."""

    def __init__(self, prices: Prices, slots: Slots) -> None:
        self.prices, self.slots = prices, slots
        self._left = prices.left()
        self._whole = self._left[:, 0]
        self._after_first = self._left[:, 1]
        later = slots.following[slots.following + 1] >= 0  # (S + 1) × C × C: reachable after that move
        self._later = later & (slots.following >= 0)[:, :, None] & ~np.eye(slots.count, dtype=bool)

    @property
    def cheapest_completion(self) -> float:
        """In units: with less, nothing can be begun."""
        begun = self.slots.following[0] >= 0
        return float((self.prices.worst[:, 0] + self._after_first)[begun].min())

    def allowed(self, view: View) -> Bools:
        """B × (2 + C). Stopping is always allowed, continuing and beginning anew where it can be paid for."""
        slot = self.slots.slot_of(view.current, view.seen)
        untried = view.seen == 0
        reachable = self.slots.reachable(slot, view.seen)
        reachable[(view.current >= 0) & (slot < 0)] = False  # a job that the order does not know can only go on
        rows, current = np.arange(len(view)), np.maximum(view.current, 0)
        worst = self.prices.worst
        k = np.minimum(view.seen[rows, current], worst.shape[1] - 1)
        limit = view.remaining + SLACK
        allowed = np.zeros((len(view), FIRST_RESTART + self.slots.count), dtype=bool)
        allowed[:, STOP] = True
        others = np.where(reachable, self._whole, np.inf).min(axis=1)
        after = np.minimum(self._left[current, k + 1], others)
        allowed[:, CONTINUE] = (view.current >= 0) & (worst[current, k] + after <= limit)
        later = np.where(self._later[slot + 1] & untried[:, None, :], self._whole, np.inf).min(axis=2)
        cost = worst[:, 0] + np.minimum(self._after_first, later)
        allowed[:, FIRST_RESTART:] = reachable & (cost <= limit[:, None])
        return allowed
