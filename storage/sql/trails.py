"""What pheromone memories learned in SQL: events append-only, embeddings apart, for they go with their text."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import BindParameter, Connection, Row, bindparam, delete, func, insert, select

from storage.canonical import iso
from storage.sql.batch import Batch
from storage.sql.store import SqlStore, chunks
from storage.sql.tables import payloads, trail_events, trail_snapshots, trail_vectors
from storage.trail_forms import (
    checked_key,
    checked_keys,
    deposit_key,
    ensure_same,
    erased_event,
    event_from,
    event_row,
    placed,
    snapshot_from,
    snapshot_row,
    superseded,
)
from storage.trail_records import TrailEvent, TrailSnapshot

T = TypeVar("T")


events, vectors, snapshots = trail_events.c, trail_vectors.c, trail_snapshots.c
IDS: BindParameter[list[str]] = bindparam("ids", expanding=True)
MEMORY: BindParameter[str] = bindparam("memory")

LAST_POSITION = select(func.max(events.position))
EVENTS = (
    select(events.position, events.record, vectors.embedding)
    .outerjoin(trail_vectors, vectors.position == events.position)
    .where(events.memory == MEMORY, events.position > bindparam("after"))
    .order_by(events.position)
    .limit(bindparam("most"))
)
EVENTS_UNTIL = EVENTS.where(events.at <= bindparam("until"))
WRITTEN = select(events.id, events.position, events.record).where(events.id.in_(IDS))
DEPOSITS = select(events.decision_id).where(
    events.memory == MEMORY, events.kind == "deposit", events.decision_id.in_(IDS)
)
LIVE_TEXTS = select(payloads.c.id).where(payloads.c.id.in_(IDS), payloads.c.erased_at.is_(None))
SNAPSHOT = select(trail_snapshots).where(snapshots.memory == MEMORY).order_by(snapshots.position.desc()).limit(1)
SNAPSHOT_UNTIL = SNAPSHOT.where(snapshots.at <= bindparam("until"))
SNAPSHOT_AT = select(snapshots.id).where(snapshots.memory == MEMORY, snapshots.position == bindparam("position"))
SNAPSHOT_POSITIONS = select(snapshots.position).where(snapshots.memory == MEMORY)
DROP_SNAPSHOT = delete(trail_snapshots).where(snapshots.memory == MEMORY, snapshots.position == bindparam("position"))
ERASED_SINCE = select(events.id).where(
    events.memory == MEMORY, events.kind == "erased", events.position > bindparam("position")
)
HOLDERS = (
    select(events.memory, func.min(events.position).label("first"))
    .join(trail_vectors, vectors.position == events.position)
    .where(vectors.payload_id == bindparam("payload_id"))
    .group_by(events.memory)
    .order_by(events.memory)
)
FORGET = delete(trail_vectors).where(vectors.payload_id == bindparam("payload_id"))
FORGET_SNAPSHOTS = delete(trail_snapshots).where(snapshots.memory == MEMORY, snapshots.position >= bindparam("first"))


class SqlTrailStore(SqlStore):
    """Appends are never queued with nobody waiting, so that reads need not wait for the writer."""

    async def append(self, events: Sequence[TrailEvent]) -> list[TrailEvent]:
        given = [(event, event_row(event)) for event in events]
        made: list[list[TrailEvent]] = []

        def apply(batch: Batch) -> list[TrailEvent]:
            """When a broken connection makes the writer try again, what went through is not written twice."""
            batch.insert()  # the texts may stand in this very transaction
            written = _written(batch.connection, [event for event, _ in given])
            for event, row in given:
                ensure_same(event, written.get(event.id, row), row)
            if not (made and made[-1] and made[-1][0].id in written):
                made.append(_appended(batch.connection, given, written))
            return made[-1]

        return await self.writer.run(apply, size=len(given)) if given else []

    async def events(
        self, memory: str, *, after_position: int = 0, until: datetime | None = None, limit: int = 1000
    ) -> list[TrailEvent]:
        values = {"memory": checked_key(memory, "memory"), "after": after_position, "most": max(limit, 0)}
        query = EVENTS
        if until is not None:
            query, values["until"] = EVENTS_UNTIL, iso(until, field="until")
        rows = await self.database.read(lambda connection: connection.execute(query, values).all())
        return [_event(row) for row in rows]

    async def put_snapshot(self, snapshot: TrailSnapshot) -> None:
        state = await asyncio.to_thread(snapshot_row, snapshot)
        row = {
            "memory": snapshot.memory,
            "position": snapshot.position,
            "id": snapshot.id,
            "sha256": snapshot.sha256,
            "at": iso(snapshot.at, field="at"),
            "state": state,
        }
        where = {"memory": snapshot.memory, "position": snapshot.position}

        def apply(batch: Batch) -> None:
            is_there = batch.connection.execute(SNAPSHOT_AT, where).first() is not None
            if not is_there and batch.connection.execute(ERASED_SINCE, where).first() is None:
                batch.connection.execute(insert(trail_snapshots), row)
                _thin_out(batch.connection, snapshot.memory)

        await self.writer.run(apply)

    async def snapshot(self, memory: str, *, until: datetime | None = None) -> TrailSnapshot | None:
        values = {"memory": checked_key(memory, "memory")}
        query = SNAPSHOT
        if until is not None:
            query, values["until"] = SNAPSHOT_UNTIL, iso(until, field="until")

        def read(connection: Connection) -> TrailSnapshot | None:
            row = connection.execute(query, values).one_or_none()
            if row is None:
                return None
            return snapshot_from(
                bytes(row.state), memory=row.memory, position=row.position, sha256=row.sha256, id=row.id, at=row.at
            )

        return await self.database.read(read)

    async def known_decisions(self, memory: str, decision_ids: Sequence[str]) -> set[str]:
        checked_key(memory, "memory")
        wanted = checked_keys(decision_ids, "decision_id")
        return await self.database.read(lambda connection: _known(connection, memory, wanted))


def _thin_out(connection: Connection, memory: str) -> None:
    positions = connection.execute(SNAPSHOT_POSITIONS, {"memory": memory}).scalars()
    for position in superseded(positions):
        connection.execute(DROP_SNAPSHOT, {"memory": memory, "position": position})


def forget_vectors(connection: Connection, payload_id: str, *, at: datetime) -> None:
    """Embeddings of this text go, and snapshots that may hold them; an event tells each memory."""
    for memory, first in connection.execute(HOLDERS, {"payload_id": payload_id}).all():
        connection.execute(FORGET_SNAPSHOTS, {"memory": memory, "first": first})
        event = erased_event(memory, payload_id, at)
        _appended(connection, [(event, event_row(event))], {})
    connection.execute(FORGET, {"payload_id": payload_id})


def _appended(
    connection: Connection, given: Sequence[tuple[TrailEvent, bytes]], written: dict[str, bytes]
) -> list[TrailEvent]:
    """Writes those that are new."""
    new = _new(connection, given, written)
    texts = {event.payload_id for event, _ in new if event.payload_id is not None and event.embedding is not None}
    live = {row.id for ids in chunks(sorted(texts)) for row in connection.execute(LIVE_TEXTS, {"ids": ids})}
    last = connection.execute(LAST_POSITION).scalar() or 0
    added = [
        placed(event, position, has_embedding=event.payload_id in live)
        for position, (event, _) in enumerate(new, start=last + 1)
    ]
    rows = [_row(event, record) for event, (_, record) in zip(added, new, strict=True)]
    if rows:
        connection.execute(insert(trail_events), rows)
    kept = [
        {"payload_id": event.payload_id, "position": event.position, "embedding": event.embedding}
        for event in added
        if event.embedding is not None
    ]
    if kept:
        connection.execute(insert(trail_vectors), kept)
    return added


def _new(
    connection: Connection, given: Sequence[tuple[TrailEvent, bytes]], written: dict[str, bytes]
) -> list[tuple[TrailEvent, bytes]]:
    """Without what was written before, deposits of decisions that are known, and what stands twice."""
    taken: set[tuple[str, str]] = set()
    for memory in {event.memory for event, _ in given}:
        ids = [e.decision_id for e, _ in given if e.memory == memory and e.decision_id is not None]
        taken |= {(memory, known) for known in _known(connection, memory, ids)}
    ids_taken = set(written)
    new = []
    for event, row in given:
        key = deposit_key(event)
        if event.id not in ids_taken and key not in taken:
            new.append((event, row))
            ids_taken.add(event.id)
            taken |= {key} if key is not None else set()
    return new


def _written(connection: Connection, given: Sequence[TrailEvent]) -> dict[str, bytes]:
    """Id to record of those that are there already."""
    ids = [event.id for event in given]
    return {row.id: bytes(row.record) for some in chunks(ids) for row in connection.execute(WRITTEN, {"ids": some})}


def _known(connection: Connection, memory: str, decision_ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for ids in chunks(decision_ids):
        found |= {str(each) for each in connection.execute(DEPOSITS, {"memory": memory, "ids": ids}).scalars()}
    return found


def _event(row: Row[int, bytes, bytes]) -> TrailEvent:
    embedding = None if row.embedding is None else bytes(row.embedding)
    return event_from(bytes(row.record), position=row.position, embedding=embedding)


def _row(event: TrailEvent, record: bytes) -> dict[str, object]:
    return {
        "position": event.position,
        "id": event.id,
        "memory": event.memory,
        "kind": event.kind,
        "decision_id": event.decision_id,
        "at": iso(event.at),
        "record": record,
    }
