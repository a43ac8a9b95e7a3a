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

    Own lessons are learned in the log's order. When others' came in is not logged: they are tried at each place
    between two decisions, as one batch, since that is how they are looked for.
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
        self._names = set(names)
        self._anchors = [each for each in timeline.anchors if each.policy in self._names]
        self._pending = {(each.policy, each.sha256) for each in self._anchors}
        self._on_found = on_found
        self._place = _Place(learner=learner)
        self._steps = 0

    def run(self) -> None:
        self._place.learner.teach_all(self._timeline.base)
        self._visit(self._place)
        misses = 0
        for anchor in self._anchors:
            if self._is_found(anchor):
                continue
            self._steps = 0
            self._seek(anchor)
            misses = 0 if self._is_found(anchor) else misses + 1
            self.is_late = self._end is not None and time.monotonic() > self._end
            if misses > MOST_MISSES or not self._pending or self.is_late:
                return

    def _is_found(self, anchor: Anchor) -> bool:
        return (anchor.policy, anchor.sha256) not in self._pending

    def _seek(self, anchor: Anchor) -> None:
        own = _count(self._timeline.own, anchor)
        others = _count(self._timeline.others, anchor)
        if others <= self._place.others:
            self._own_lessons(self._place, own, anchor)
            return
        found = self._with_others(anchor, own, others)
        if found is not None:
            self._place = found

    def _with_others(self, anchor: Anchor, own: int, others: int) -> _Place | None:
        """The place where the anchor's state is, if others' lessons came in before some own one, or after all."""
        before = self._place.copy()
        while True:
            self._visit(before)
            if self._is_found(anchor):
                return before
            batch = before.copy()
            while batch.others < others and self._steps < MOST_STEPS:
                self._learn_other(batch)
                after = batch.copy()
                self._own_lessons(after, own, anchor)
                if self._is_found(anchor):
                    return after
            if before.own >= own or self._steps >= MOST_STEPS:
                return None
            self._learn_own(before)

    def _own_lessons(self, place: _Place, own: int, anchor: Anchor) -> None:
        """Up to that many, or until the anchor's state is found."""
        self._visit(place)
        while place.own < own and not self._is_found(anchor):
            self._learn_own(place)
            self._visit(place)

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
