"""Keeps memories of trails durable: their changes to the store, off the request path, and back at the next start.

Of each memory there are two here: the one that chooses, which is changed at once, and its follower, which applies what
the store holds, in the store's order. Snapshots are the follower's states, so that a snapshot and the events after it
always give what all events give, whoever wrote them and whenever a process died.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from routing.pheromone.base import TrailMemory
from routing.registry import unknown
from storage.errors import InvalidInput, LogCorrupt, ServiceError, StorageError
from storage.stores import TrailStore
from storage.trail_forms import snapshot_of
from storage.trail_records import TrailEvent, TrailSnapshot

FLUSH_SECONDS = 2.0  # between two looks at what was learned, here and elsewhere
SNAPSHOT_EVENTS = 256
BATCH_EVENTS = 500

log = logging.getLogger("antroute.trails")

Fresh = Callable[[], TrailMemory]  # a new, empty memory of the same settings


def _nobody(name: str) -> None:
    """Nobody wants to hear of changes."""


@dataclass(kw_only=True)
class _Kept:
    """One memory, and how far the store and its follower have come."""

    live: TrailMemory
    fresh: Fresh
    follower: TrailMemory
    position: int = 0  # of the last event that the follower applied
    saved_position: int = 0  # of the last snapshot
    pending: deque[TrailEvent] = field(default_factory=deque)  # learned, not stored yet
    own: set[str] = field(default_factory=set)  # ids of stored events that the live memory has, ahead of `position`


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """A memory as it was after the event of this position."""

    memory: TrailMemory
    position: int
    saved_position: int


class TrailKeeper:
    """`memories`: each with a maker of empty ones like it. `on_change` hears the name of a memory that others changed.

    Every call is of one event loop, the one on which the memories learn.
    """

    def __init__(
        self,
        store: TrailStore,
        memories: Sequence[tuple[TrailMemory, Fresh]],
        *,
        on_change: Callable[[str], None] = _nobody,
        flush_seconds: float = FLUSH_SECONDS,
        snapshot_events: int = SNAPSHOT_EVENTS,
    ) -> None:
        self.store = store
        self._kept = {live.name: _Kept(live=live, fresh=fresh, follower=fresh()) for live, fresh in memories}
        self._on_change = on_change
        self._flush_seconds = flush_seconds
        self._snapshot_events = snapshot_events
        self._turn = asyncio.Lock()  # one at a time: a flush that overtook another would apply events out of order
        self._task: asyncio.Task[None] | None = None

    @property
    def memories(self) -> tuple[str, ...]:
        return tuple(self._kept)

    @property
    def pending(self) -> int:
        """Changes that wait for the database."""
        return sum(len(kept.pending) for kept in self._kept.values())

    def live(self, memory: str) -> TrailMemory:
        """The memory that chooses. Raises InvalidInput for an unknown name."""
        return self._of(memory).live

    async def restore(self) -> None:
        """Brings every memory to what the store holds. Raises StorageUnavailable."""
        async with self._turn:
            for kept in self._kept.values():
                await self._restore(kept)

    async def settle(self) -> None:
        """After the rewards of the log were learned again: what the store lacked is stored, and nothing counts twice.

        A memory may have forgotten which old decisions it has; the store has not. So each memory becomes what the
        store says.
        """
        async with self._turn:
            for kept in self._kept.values():
                await self._store(kept)
                await self._follow(kept)
                self._bring_to_follower(kept)

    def start(self) -> None:
        """From now on stores what is learned, in the background."""
        if self._kept:
            self._task = asyncio.create_task(self._run(), name="trail-keeper")
            self._task.add_done_callback(_tell)

    async def stop(self) -> None:
        """Stores what is left, and a snapshot of each. What the database does not take is told in the log."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await asyncio.sleep(0)  # what was recorded last is learned at the loop's next turn
        try:
            await self.flush(snapshot=True)
        except StorageError as error:
            log.critical(
                "%d changes of trails could not be stored before the end; the next start learns them again from their "
                "rewards: %s",
                self.pending,
                error,
            )

    async def flush(self, *, snapshot: bool = False) -> None:
        """Stores what was learned, and takes up what others stored. `snapshot`: and saves the states.

        Raises StorageUnavailable; what waits is then kept.
        """
        async with self._turn:
            for kept in self._kept.values():
                await self._store(kept)
                await self._follow(kept)
                if snapshot or kept.position - kept.saved_position >= self._snapshot_events:
                    await self._save(kept)

    async def reset(self, memory: str, *, stage: str | None = None, candidate_id: str | None = None) -> TrailEvent:
        """Forgets these cells, here at once and everywhere at the next look; returns the stored event.

        Raises StorageUnavailable: the cells are then forgotten here, and in the store as soon as it can be written.
        """
        kept = self._of(memory)
        event = kept.live.reset(stage=stage, candidate_id=candidate_id)
        drained = kept.live.drain()
        kept.pending += drained if any(each.id == event.id for each in drained) else [*drained, event]
        self._on_change(memory)
        async with self._turn:
            await self._store(kept)
            await self._follow(kept)
        return event

    async def state_at(self, memory: str, moment: datetime) -> dict[str, object]:
        """The memory's state at this moment, by the clocks of who wrote the events. Raises InvalidInput."""
        return (await self.memory_at(memory, moment)).memory.state()

    async def memory_at(self, memory: str, moment: datetime) -> Rebuilt:
        """The memory as it was, rebuilt from the latest snapshot before and the events until then."""
        if moment.tzinfo is None:
            raise InvalidInput(f"The moment {moment!r} has no time zone; give one, best UTC.", field="at")
        return await rebuilt(self.store, self._of(memory).fresh, memory, until=moment)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._flush_seconds)
            try:
                await self.flush()
            except ServiceError as error:  # whatever it is, the next look must come
                log.warning("%d changes of trails wait for the database: %s", self.pending, error)

    def _of(self, memory: str) -> _Kept:
        if memory not in self._kept:
            raise InvalidInput(unknown("memory", memory, self._kept), field="memory")
        return self._kept[memory]

    async def _restore(self, kept: _Kept) -> None:
        found = await rebuilt(self.store, kept.fresh, kept.live.name)
        kept.follower, kept.position, kept.saved_position = found.memory, found.position, found.saved_position
        self._bring_to_follower(kept)

    def _bring_to_follower(self, kept: _Kept) -> None:
        """What was learned since the last look stays learned."""
        kept.pending += kept.live.drain()
        kept.live.restore(kept.follower.state())
        for event in kept.pending:
            kept.live.apply(event)
        self._on_change(kept.live.name)

    async def _store(self, kept: _Kept) -> None:
        """Stores what waits, oldest first; what the store refuses for good must not hold up the rest."""
        kept.pending += kept.live.drain()
        while kept.pending:
            batch = [kept.pending[i] for i in range(min(len(kept.pending), BATCH_EVENTS))]
            kept.own |= {event.id for event in batch}  # before: a write whose answer is lost may be there all the same
            stored = await self._stored(batch)
            for _ in batch:
                kept.pending.popleft()
            self._forget_erased(kept, batch, stored)

    async def _stored(self, batch: list[TrailEvent]) -> list[TrailEvent]:
        try:
            return await self.store.append(batch)
        except InvalidInput as error:
            if len(batch) == 1:
                log.critical("A change of trail was refused and is lost (%s): %s", batch[0].id, error)
                return []
        return [stored for event in batch for stored in await self._stored([event])]

    def _forget_erased(self, kept: _Kept, given: list[TrailEvent], stored: list[TrailEvent]) -> None:
        """A text that was erased before its event came to the store: its vector must not stay in the memory."""
        bare = {event.id for event in stored if event.embedding is None}
        for event in given:
            if event.embedding is not None and event.id in bare:
                kept.live.apply(replace(event, kind="erased", embedding=None))

    async def _follow(self, kept: _Kept) -> None:
        """Applies what the store has beyond the follower's place; to the live memory, what it does not have."""
        while True:
            events = await self.store.events(kept.live.name, after_position=kept.position, limit=BATCH_EVENTS)
            has_news = False
            for event in events:
                kept.follower.apply(event)
                kept.position = event.position
                if event.id not in kept.own:
                    kept.live.apply(event)
                    has_news = True
            if has_news:
                self._on_change(kept.live.name)
            if len(events) < BATCH_EVENTS:
                break
        if not kept.pending:
            kept.own.clear()  # all of them were seen now

    async def _save(self, kept: _Kept) -> None:
        if kept.position > kept.saved_position:
            position = kept.position
            await self.store.put_snapshot(await asyncio.to_thread(_snapshot, kept))
            kept.saved_position = position


def _snapshot(kept: _Kept) -> TrailSnapshot:
    """Takes tenths of a second for thousands of remembered texts; nobody else touches the follower meanwhile."""
    return snapshot_of(kept.live.name, kept.position, kept.follower.state())


def _tell(task: asyncio.Task[None]) -> None:
    """That the keeper ended before it was stopped: nothing that is learned from now on would be stored."""
    if not task.cancelled():
        log.critical("Trails are not stored any more", exc_info=task.exception())


async def rebuilt(store: TrailStore, fresh: Fresh, memory: str, *, until: datetime | None = None) -> Rebuilt:
    """The memory after all events, or after those until a moment; from a snapshot where a fitting one is there."""
    rebuilding, position = fresh(), 0
    try:
        snapshot = await store.snapshot(memory, until=until)
        if snapshot is not None:
            rebuilding.restore(snapshot.state)
            position = snapshot.position
    except (InvalidInput, LogCorrupt) as error:
        log.warning("A snapshot of memory %r cannot be used; it is rebuilt from its events: %s", memory, error)
        rebuilding, position = fresh(), 0
    saved_position = position
    while True:
        events = await store.events(memory, after_position=position, until=until, limit=BATCH_EVENTS)
        for event in events:
            rebuilding.apply(event)
            position = event.position
        if len(events) < BATCH_EVENTS:
            return Rebuilt(memory=rebuilding, position=position, saved_position=saved_position)
