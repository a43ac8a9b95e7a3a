"""The pheromone memory: what it is taught becomes events, and events alone change what it knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from threading import RLock

from routing.base import Context, Lesson, Vector
from routing.pheromone.base import TrailCell
from routing.pheromone.evaporation import DEFAULT_HALF_LIFE_DAYS, Evaporation
from routing.pheromone.mixture import TaskTypes, mixture_of
from routing.pheromone.neighbours import Neighbours
from routing.pheromone.trail_state import Embedding, MemoryParts, MemorySettings, TrailState, View, likeliest
from routing.pheromone.updates import RESTART_WINDOW, BoundedUtility, UpdateRule
from storage.records import utc_now
from storage.trail_records import TrailEvent

DEFAULT_CAPACITY = 5_000  # remembered texts
SELF_JUDGED = "self"  # teaches nothing: who answers is no judge of it
ALL_ALIKE, CHANGED = "choices_all_alike", "quality_changed"  # why there was a restart


class PheromoneMemory:
    """Implements `TrailMemory`. What is learned becomes an event first; the state changes by events alone.

    Consequences of a lesson (a restart, a change of quality) are events of their own, written by whom the lesson came
    to, and never worked out by who replays it. Safe for threads.
    """

    def __init__(
        self,
        name: str = "pheromone",
        *,
        rule: UpdateRule | None = None,
        half_life_days: float | None = DEFAULT_HALF_LIFE_DAYS,
        capacity: int = DEFAULT_CAPACITY,
        parts: MemoryParts | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.name = name
        self._settings = MemorySettings(
            rule=rule or BoundedUtility(),
            evaporation=Evaporation(half_life_days=half_life_days),
            capacity=capacity,
            parts=parts or MemoryParts(),
        )
        self._clock = clock
        self._lock = RLock()
        self._pending: list[TrailEvent] = []
        self._state = TrailState(self._settings)

    @property
    def types(self) -> TaskTypes | None:
        """The task types that were found; None: those of the rules."""
        return self._state.types

    @property
    def neighbours(self) -> Neighbours:
        """What happened on remembered texts; to be read only."""
        return self._state.neighbours

    @property
    def digest(self) -> str:
        """SHA-256 over all events that made the state, each with the one before; empty before the first."""
        return self._state.digest

    def view(self, arms: Sequence[str], context: Context, *, priors: Vector | None = None) -> View:
        """What is known of these candidates. `priors` (arms,): what is expected of each before it was seen."""
        with self._lock:
            tick = self._settings.evaporation.tick(context.at or self._clock())
            mixture = mixture_of(context, self._state.types)
            near = self._state.near(context.stage, context.embedding, context.encoder)
            return self._state.view(arms, mixture, stage=context.stage, near=near, tick=tick, priors=priors)

    def observe(self, arm: str, context: Context, lesson: Lesson) -> None:
        """Books a lesson, unless nobody judged it, the candidate itself did, or its decision was booked before."""
        if lesson.quality is None or lesson.judged_by == SELF_JUDGED:
            return
        with self._lock:
            if self._state.has(lesson.decision_id):
                return
            event = self._deposit_of(arm, context, lesson)
            self._take(event)
            for consequence in self._consequences(event):
                self._take(consequence)

    def drain(self) -> list[TrailEvent]:
        """See `TrailMemory.drain`."""
        with self._lock:
            drained, self._pending = self._pending, []
            return drained

    def apply(self, event: TrailEvent) -> None:
        """See `TrailMemory.apply`. Raises InvalidInput for an event that says nothing that can be done."""
        with self._lock:
            self._state.apply(event)

    def reset(self, *, stage: str | None, candidate_id: str | None) -> TrailEvent:
        """See `TrailMemory.reset`."""
        event = TrailEvent(
            memory=self.name, kind="reset", stage=stage or "", candidate_id=candidate_id, at=self._clock()
        )
        self.apply(event)
        return event

    def retype(self, types: TaskTypes, former_to_task: Mapping[str, str]) -> None:
        """From now on these are the task types; the trails of former ones go on under the names given."""
        body = {"types": types.body(), "former_to_task": dict(former_to_task)}
        with self._lock:
            self._take(TrailEvent(memory=self.name, kind="tasks", body=body, at=self._clock()))

    def remembered(self) -> tuple[Embedding, list[str], str]:
        """(texts, dimension) vectors that it has, the id of the text that each was made of, and their encoder."""
        with self._lock:
            return self._state.remembered()

    def cells(self, *, at: datetime) -> list[TrailCell]:
        """See `ShownMemory.cells`."""
        with self._lock:
            return self._state.shown(at)

    def state(self) -> dict[str, object]:
        """See `TrailMemory.state`."""
        with self._lock:
            return self._state.plain()

    def restore(self, state: Mapping[str, object]) -> None:
        """Undo of `state`. Raises InvalidInput and keeps what it had where it is none."""
        restored = TrailState.from_plain(state, self._settings)
        with self._lock:
            self._state = restored

    def _take(self, event: TrailEvent) -> None:
        self._state.apply(event)
        self._pending.append(event)

    def _deposit_of(self, arm: str, context: Context, lesson: Lesson) -> TrailEvent:
        is_remembered = self._settings.parts.neighbours and lesson.payload_id is not None
        embedding = context.embedding if is_remembered else None
        return TrailEvent(
            memory=self.name,
            mixture=dict(mixture_of(context, self._state.types)),
            stage=context.stage,
            candidate_id=arm,
            utility=min(max(lesson.reward, 0.0), 1.0),
            quality=lesson.quality,
            cost_usd=lesson.cost_usd,
            latency_seconds=lesson.latency_seconds,
            weight=self._state.weight(lesson.tenant, lesson.principal),
            tenant=lesson.tenant,
            principal=lesson.principal,
            judged_by=lesson.judged_by,
            decision_id=lesson.decision_id,
            payload_id=lesson.payload_id,
            embedding=None if embedding is None else embedding.astype("<f2").tobytes(),
            body={"encoder": context.encoder},
            at=lesson.at,
        )

    def _consequences(self, deposit: TrailEvent) -> list[TrailEvent]:
        """What follows from the lesson just booked, as events that are not applied yet."""
        found = []
        arm, stage, at = str(deposit.candidate_id), deposit.stage, deposit.at
        task = likeliest(deposit.mixture)
        if self._state.alike(stage, task) >= RESTART_WINDOW:
            alike = {"reason": ALL_ALIKE}
            found.append(
                TrailEvent(memory=self.name, kind="restart", mixture={task: 1.0}, stage=stage, body=alike, at=at)
            )
        direction = self._state.change_of(arm)
        if direction is not None:
            body = {"reason": CHANGED, "direction": direction}
            found.append(TrailEvent(memory=self.name, kind="restart", candidate_id=arm, body=body, at=at))
        return found
