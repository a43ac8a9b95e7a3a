"""The order in which candidates may be begun: a list of slots, in which a candidate may stand more than once.

Moves only go forward, each to the first later slot of a candidate that was not tried. So a job's slot follows from who
runs and who was tried, and values can be fitted backward, from the last slot to the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from routing.steps.journey import Bools, Ints

MOST_SLOTS = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class Slots:
    """`order`: places of candidates; `count`: of all candidates, C."""

    order: tuple[int, ...]
    count: int

    @cached_property
    def following(self) -> Ints:
        """(S + 1) × C: the first slot of a candidate after slot s - 1 (row 0: before the first); -1: none."""
        table = np.full((len(self.order) + 1, self.count), -1, dtype=np.int64)
        for after in range(len(self.order) + 1):
            for slot in range(len(self.order) - 1, after - 1, -1):
                table[after, self.order[slot]] = slot
        return table

    def slot_of(self, current: Ints, seen: Ints) -> Ints:
        """B: the slot each job is in; -1 before the first step or where the order knows no such job."""
        tried = seen > 0
        tried[np.arange(len(current)), np.maximum(current, 0)] = False
        first = np.where(self.following[0] < 0, len(self.order), self.following[0])
        after = np.where(tried, first, -1).max(axis=1)  # the last slot that the others need
        found = self.following[np.minimum(after + 1, len(self.order)), np.maximum(current, 0)]
        return np.where(current >= 0, found, -1)

    def reachable(self, slot: Ints, seen: Ints) -> Bools:
        """B × C: who may still be begun from this slot."""
        found: Bools = (self.following[slot + 1] >= 0) & (seen == 0)
        return found


def merged(orders: Sequence[Sequence[int]], *, most: int = MOST_SLOTS) -> tuple[int, ...]:
    """A short list that has each order as a part, as long as it keeps to `most` slots; earlier orders first."""
    whole: tuple[int, ...] = ()
    for order in orders:
        longer = _supersequence(whole, tuple(order))
        if len(longer) <= most:
            whole = longer
    return whole


def _supersequence(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shortest list that has both as parts; of equals the one that begins with the earlier candidates."""
    if not a or not b:
        return a or b
    if a[0] == b[0]:
        return (a[0], *_supersequence(a[1:], b[1:]))
    return min((a[0], *_supersequence(a[1:], b)), (b[0], *_supersequence(a, b[1:])), key=_by_length)


def _by_length(order: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    return len(order), order
