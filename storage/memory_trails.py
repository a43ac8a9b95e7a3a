"""What pheromone memories learned, in lists: the double for tests, all promises of the databases but durability."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from storage.canonical import iso
from storage.memory_log import MemoryStore
from storage.trail_forms import (
    checked_key,
    checked_keys,
    deposit_key,
    ensure_same,
    event_from,
    event_row,
    placed,
    snapshot_from,
    snapshot_row,
    superseded,
)
from storage.trail_records import TrailEvent, TrailSnapshot


class MemoryTrailStore(MemoryStore):
    """An event's embedding stands apart from it, as in the databases."""

    async def append(self, events: Sequence[TrailEvent]) -> list[TrailEvent]:
        self.log.ensure_open()
        rows = [event_row(event) for event in events]
        trails = self.log.trails
        for event, row in zip(events, rows, strict=True):
            ensure_same(event, trails.id_to_record.get(event.id, row), row)
        added = []
        for event, row in zip(events, rows, strict=True):
            key = deposit_key(event)
            if event.id not in trails.id_to_record and (key is None or key not in trails.deposits):
                added.append(self._add(event, row))
        return added

    async def events(
        self, memory: str, *, after_position: int = 0, until: datetime | None = None, limit: int = 1000
    ) -> list[TrailEvent]:
        checked_key(memory, "memory")
        latest = None if until is None else iso(until, field="until")
        trails = self.log.trails
        found = [
            event_from(record, position=position, embedding=trails.embedding_at(position))
            for position, record in enumerate(trails.records, start=1)
            if position > after_position
        ]
        wanted = [e for e in found if e.memory == memory and (latest is None or iso(e.at) <= latest)]
        return wanted[: max(limit, 0)]

    async def put_snapshot(self, snapshot: TrailSnapshot) -> None:
        self.log.ensure_open()
        row = snapshot_row(snapshot)
        trails = self.log.trails
        key = snapshot.memory, snapshot.position
        if key not in trails.snapshots and snapshot.position >= trails.last_erasure.get(snapshot.memory, 0):
            trails.snapshots[key] = (snapshot.id, iso(snapshot.at), snapshot.sha256, row)
            for position in superseded(position for memory, position in trails.snapshots if memory == snapshot.memory):
                del trails.snapshots[snapshot.memory, position]

    async def snapshot(self, memory: str, *, until: datetime | None = None) -> TrailSnapshot | None:
        checked_key(memory, "memory")
        latest = None if until is None else iso(until, field="until")
        found = [
            (position, snapshot)
            for (name, position), snapshot in self.log.trails.snapshots.items()
            if name == memory and (latest is None or snapshot[1] <= latest)
        ]
        if not found:
            return None
        position, (id, at, sha256, row) = max(found)
        return snapshot_from(row, memory=memory, position=position, sha256=sha256, id=id, at=at)

    async def known_decisions(self, memory: str, decision_ids: Sequence[str]) -> set[str]:
        checked_key(memory, "memory")
        wanted = checked_keys(decision_ids, "decision_id")
        return {decision_id for decision_id in wanted if (memory, decision_id) in self.log.trails.deposits}

    def _add(self, event: TrailEvent, row: bytes) -> TrailEvent:
        payload = self.log.payloads.get(event.payload_id or "")
        keeps = event.embedding is not None and payload is not None and payload.erased_at is None
        added = placed(event, len(self.log.trails.records) + 1, has_embedding=keeps)
        self.log.trails.add(added, row)
        return added
