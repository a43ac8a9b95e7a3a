"""Looks among the states that a process's policies went through for those that made its decisions."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.replay.lessons import Learner, Lesson
from orchestrator.replay.log_walk import Anchor, Timeline
from routing.base import Policy

MOST_STEPS = 2_000  # lessons taught in the search for one state, where others' lessons may have come in between
MOST_PLACES = 8  # that are gone on from at once
MOST_MISSES = 50  # states in a row that were not found; then the rest is given up

State = tuple[str, str]  # name of a policy, and SHA-256 of what it knew
OnFound = Callable[[State, Policy], None]


@dataclass(kw_only=True)
class _Place:
    """Policies after so many own lessons and so many of others'."""

    learner: Learner
    own: int = 0
    others: int = 0

    def copy(self) -> _Place:
        return _Place(learner=self.learner.copy(), own=self.own, others=self.others)


class StateWalk:
    """Teaches the lessons in the order of the log, and calls `on_found` once for each state that a decision names.

    Own lessons are learned in the log's order. When others' came in is not logged: it is tried at each place between
    two decisions, as one batch, since that is how they are looked for. Where the decision's state fits several orders,
    the next decisions tell which it was.
    """

    def __init__(
        self,
        timeline: Timeline,
        learner: Learner,
        names: Sequence[str],
        on_found: OnFound,
        *,
        seconds: float | None = None,
    ) -> None:
        """`names`: the policies whose states are looked for. `seconds`: after which it ends, `is_late`."""
        self._end = None if seconds is None else time.monotonic() + seconds
        self.is_late = False
        self._timeline = timeline
        self._names = tuple(names)
        self._anchors = [each for each in timeline.anchors if each.policy in self._names]
        self._pending = {(each.policy, each.sha256) for each in self._anchors}
        self._on_found = on_found
        self._places = [_Place(learner=learner)]
        self._steps = 0

    def run(self) -> None:
        [start] = self._places
        start.learner.teach_all(self._timeline.base)
        self._visit(start)
        misses = 0
        for anchor in self._anchors:
            if not self._timeline.others and self._is_found(anchor):
                continue
            self._seek(anchor)
            misses = 0 if self._is_found(anchor) else misses + 1
            self.is_late = self._end is not None and time.monotonic() > self._end
            if misses > MOST_MISSES or not self._pending or self.is_late:
                return

    def _is_found(self, anchor: Anchor) -> bool:
        return (anchor.policy, anchor.sha256) not in self._pending

    def _seek(self, anchor: Anchor) -> None:
        """Goes on to where the anchor's state is, from each place that is possible; stays where none leads there."""
        self._steps = 0
        reached: dict[tuple[str, ...], _Place] = {}
        for place in self._places:
            for found in self._reached(place, anchor):
                reached.setdefault(tuple(map(found.learner.sha256, self._names)), found)
        if reached:
            self._places = list(reached.values())[:MOST_PLACES]

    def _reached(self, place: _Place, anchor: Anchor) -> list[_Place]:
        own = max(_count(self._timeline.own, anchor), place.own)
        others = max(_count(self._timeline.others, anchor), place.others)
        if others == place.others:
            alone = place.copy() if self._timeline.others else place
            return [alone] if self._own_lessons(alone, own, anchor) else []
        found = self._with_others(place, anchor, own, others)
        if found is None:
            return []
        if found.others == place.others:
            return [found]
        return [
            variant
            for first in range(place.own, found.own + 1)
            if self._fits(variant := self._variant(place, found, first), anchor)
        ]

    def _with_others(self, place: _Place, anchor: Anchor, own: int, others: int) -> _Place | None:
        """A place where the anchor's state is, if others' lessons came in before some own one, or after all."""
        before = place.copy()
        while True:
            after = before.copy()
            if self._own_lessons(after, own, anchor):
                return after
            batch = before.copy()
            while batch.others < others and self._steps < MOST_STEPS:
                self._learn_other(batch)
                after = batch.copy()
                if self._own_lessons(after, own, anchor):
                    return after
            if before.own >= own or self._steps >= MOST_STEPS:
                return None
            self._learn_own(before)

    def _variant(self, place: _Place, found: _Place, first: int) -> _Place:
        """The same lessons, with the others' after so many own ones."""
        made = place.copy()
        while made.own < first:
            self._learn_own(made)
        while made.others < found.others:
            self._learn_other(made)
        while made.own < found.own:
            self._learn_own(made)
        return made

    def _own_lessons(self, place: _Place, own: int, anchor: Anchor) -> bool:
        """Up to that many, or until the anchor's state is there; whether it is."""
        self._visit(place)
        while place.own < own and not self._fits(place, anchor):
            self._learn_own(place)
            self._visit(place)
        return self._fits(place, anchor)

    @staticmethod
    def _fits(place: _Place, anchor: Anchor) -> bool:
        return place.learner.sha256(anchor.policy) == anchor.sha256

    def _learn_own(self, place: _Place) -> None:
        place.learner.teach(self._timeline.own[place.own])
        place.own += 1
        self._steps += 1

    def _learn_other(self, place: _Place) -> None:
        place.learner.teach(self._timeline.others[place.others])
        place.others += 1
        self._steps += 1

    def _visit(self, place: _Place) -> None:
        for name in self._names:
            state = (name, place.learner.sha256(name))
            if state in self._pending:
                self._pending.discard(state)
                self._on_found(state, place.learner.policy(name))


def _count(lessons: Sequence[Lesson], anchor: Anchor) -> int:
    """Lessons that stand before the anchor in the log."""
    return bisect_left(lessons, anchor.position, key=lambda lesson: lesson.position)
