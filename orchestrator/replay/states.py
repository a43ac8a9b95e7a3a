"""Looks among the states that a process's policies went through for those that made its decisions."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.replay.lessons import Learner, Lesson
from orchestrator.replay.log_walk import Anchor, Beginning, Step
from routing.base import Policy

MOST_STEPS = 2_000  # lessons taught in the search for one state, where others' lessons may have come in between
MOST_PLACES = 8  # that are gone on from at once
MOST_MISSES = 50  # states in a row that were not found; then the rest is given up
OVERTAKING = 5_000  # events by which a decision may be stored after a lesson that came when it was made already

State = tuple[str, str]  # name of a policy, and SHA-256 of what it knew
OnFound = Callable[[State, Policy], None]


@dataclass(kw_only=True)
class _Place:
    """Policies after so many of the lessons that wait."""

    learner: Learner
    own: int = 0
    others: int = 0

    def copy(self) -> _Place:
        return _Place(learner=self.learner.copy(), own=self.own, others=self.others)


class StateWalk:
    """Is fed with a process's lessons and decisions in the log's order; calls `on_found` once for each wanted state.

    Own lessons are learned in the log's order. When others' came in is not logged: it is tried at each place between
    two decisions, as one batch, since that is how they are looked for. Where a decision's state fits several orders,
    the next decisions tell which it was. Only lessons that may still come in are held.
    """

    def __init__(
        self, learner: Learner, writer: str, wanted: Mapping[State, Sequence[int]], on_found: OnFound, *,
        names: Iterable[str], seconds: float | None = None,
    ) -> None:  # fmt: skip
        """`wanted`: to the places of the decisions that it made. `names`: policies whose decisions tell the order.

        `seconds`: after which it ends, `is_late`.
        """
        self._writer = writer
        self._pending = set(wanted)
        self._positions = sorted(position for places in wanted.values() for position in places)
        self._on_found = on_found
        self._names = tuple(names)
        self._end = None if seconds is None else time.monotonic() + seconds
        self._places = [_Place(learner=learner)]
        self._own: list[Lesson] = []  # that are not learned at all places yet
        self._others: list[Lesson] = []
        self._learned_at = 0  # place of the last lesson that was learned for certain
        self._misses = 0
        self._steps = 0
        self.is_late = False

    @property
    def is_done(self) -> bool:
        """Nothing is left to be found, or it is given up."""
        return not self._pending or self.is_late or self._misses > MOST_MISSES

    def begin(self, begun: Beginning) -> None:
        [start] = self._places
        start.learner.teach_all(begun.base)
        self._others += begun.late
        self._learned_at = begun.base[-1].position if begun.base else 0

    def feed(self, steps: Iterable[Step]) -> None:
        for step in steps:
            if self.is_done:
                return
            if isinstance(step, Lesson):
                (self._own if step.writer == self._writer else self._others).append(step)
            elif self._is_open and step.policy in self._names:
                self._seek(step)
            if not self._is_open:
                self._learn_waiting()
        self.is_late = self._end is not None and time.monotonic() > self._end

    def finish(self) -> None:
        """After the last decision: looks at the states that are there now."""
        for place in self._places:
            self._visit(place)

    @property
    def _is_open(self) -> bool:
        """Whether it is open when others' lessons came in."""
        return len(self._places) > 1 or self._places[0].others < len(self._others)

    def _learn_waiting(self) -> None:
        """Own lessons, in their order: nobody else's are in between. States that nobody wants are not looked at."""
        [place] = self._places
        for lesson in self._own[place.own :]:
            if self._is_wanted_until(lesson.position):
                self._visit(place)
            place.learner.teach(lesson)
            self._learned_at = lesson.position
        self._own.clear()
        self._others.clear()
        place.own = place.others = 0

    def _is_wanted_until(self, position: int) -> bool:
        """Whether a wanted decision stands after the last lesson, and not far after this one."""
        following = bisect_right(self._positions, self._learned_at)
        return following < len(self._positions) and self._positions[following] <= position + OVERTAKING

    def _seek(self, anchor: Anchor) -> None:
        """Goes on to where the anchor's state is, from each place that is possible; stays where none leads there."""
        self._steps = 0
        reached: dict[tuple[str, ...], _Place] = {}
        for place in self._places:
            for found in self._reached(place, anchor):
                reached.setdefault(tuple(map(found.learner.sha256, self._names)), found)
        self._misses = 0 if reached else self._misses + 1
        if reached:
            self._places = list(reached.values())[:MOST_PLACES]
            self._trim()

    def _trim(self) -> None:
        """Lets go of the lessons that were learned at all places."""
        own, others = min(place.own for place in self._places), min(place.others for place in self._places)
        del self._own[:own], self._others[:others]
        for place in self._places:
            place.own -= own
            place.others -= others

    def _reached(self, place: _Place, anchor: Anchor) -> list[_Place]:
        found = self._with_others(place, anchor)
        if found is None:
            return []
        if found.others == place.others:
            return [found]
        return [
            variant
            for first in range(place.own, found.own + 1)
            if self._fits(variant := self._variant(place, found, first), anchor)
        ]

    def _with_others(self, place: _Place, anchor: Anchor) -> _Place | None:
        """A place where the anchor's state is, if others' lessons came in before some own one, or after all."""
        before = place.copy()
        while True:
            after = before.copy()
            if self._own_lessons(after, anchor):
                return after
            batch = before.copy()
            while batch.others < len(self._others) and self._steps < MOST_STEPS:
                self._learn_other(batch)
                after = batch.copy()
                if self._own_lessons(after, anchor):
                    return after
            if before.own >= len(self._own) or self._steps >= MOST_STEPS:
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

    def _own_lessons(self, place: _Place, anchor: Anchor) -> bool:
        """All that wait, or until the anchor's state is there; whether it is."""
        self._visit(place)
        while place.own < len(self._own) and not self._fits(place, anchor):
            self._learn_own(place)
            self._visit(place)
        return self._fits(place, anchor)

    @staticmethod
    def _fits(place: _Place, anchor: Anchor) -> bool:
        return place.learner.sha256(anchor.policy) == anchor.sha256

    def _learn_own(self, place: _Place) -> None:
        place.learner.teach(self._own[place.own])
        place.own += 1
        self._steps += 1

    def _learn_other(self, place: _Place) -> None:
        place.learner.teach(self._others[place.others])
        place.others += 1
        self._steps += 1

    def _visit(self, place: _Place) -> None:
        for name in sorted({name for name, _ in self._pending}):
            state = (name, place.learner.sha256(name))
            if state in self._pending:
                self._pending.discard(state)
                self._on_found(state, place.learner.policy(name))
