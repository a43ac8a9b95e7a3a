"""The log and the payloads exactly as their rows stand, however they came to stand so."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, select

from storage.audit_records import Link, LoggedRow
from storage.canonical import checked_id
from storage.errors import RecordNotFound
from storage.records import AuditEvent, Payload
from storage.sql.payloads import SOME, payload_from
from storage.sql.store import SqlStore
from storage.sql.tables import audit_events

events = audit_events.c
IDS_A_QUERY = 900  # fewer than any database's limit on parameters
FIELDS = (
    "writer",
    "seq",
    "kind",
    "subject_id",
    "decision_id",
    "run_id",
    "tenant",
    "canonical",
    "leaf_hash",
    "chain_hash",
    "candidate_id",
    "policy",
    "at",
    "position",
)
PAGE = (
    select(*(events[name] for name in FIELDS))
    .where(events.position > bindparam("after"))
    .order_by(events.position)
    .limit(bindparam("count"))
)

ROWS = (
    select(*(events[name] for name in LoggedRow._fields))
    .where(events.position > bindparam("after"))
    .order_by(events.position)
    .limit(bindparam("count"))
)
LINKS = (
    select(events.position, events.writer, events.seq, events.leaf_hash, events.chain_hash)
    .where(events.position > bindparam("after"))
    .order_by(events.position)
    .limit(bindparam("count"))
)
ONE = select(*(events[name] for name in FIELDS)).where(
    events.subject_id == bindparam("subject_id"), events.kind == bindparam("kind")
)

LAST = select(func.max(events.position))


class SqlAuditLog(SqlStore):
    async def last_position(self) -> int:
        return await self.read(lambda connection: connection.execute(LAST).scalar() or 0)

    async def events(self, *, after_position: int = 0, limit: int = 1000) -> list[AuditEvent]:
        values = {"after": after_position, "count": max(limit, 0)}
        return await self.read(lambda connection: _events(connection, values))

    async def event(self, kind: str, subject_id: str) -> AuditEvent:
        values = {"subject_id": checked_id(subject_id, "id"), "kind": kind}
        row = await self.read(lambda connection: connection.execute(ONE, values).one_or_none())
        if row is None:
            raise RecordNotFound(f"No {kind} {subject_id!r} is in the log.")
        return AuditEvent(**row._mapping)

    async def rows(self, *, after_position: int = 0, limit: int = 1000) -> list[LoggedRow]:
        values = {"after": after_position, "count": max(limit, 0)}
        return await self.read(lambda connection: [LoggedRow._make(row) for row in connection.execute(ROWS, values)])

    async def links(self, *, after_position: int = 0, limit: int = 1000) -> list[Link]:
        values = {"after": after_position, "count": max(limit, 0)}
        return await self.read(lambda connection: [Link._make(row) for row in connection.execute(LINKS, values)])

    async def payloads(self, payload_ids: Sequence[str]) -> dict[str, Payload]:
        return await self.read(lambda connection: _payloads(connection, payload_ids))


def _events(connection: Connection, values: dict[str, int]) -> list[AuditEvent]:
    return [
        AuditEvent(
            writer=row[0],
            seq=row[1],
            kind=row[2],
            subject_id=row[3],
            decision_id=row[4],
            run_id=row[5],
            tenant=row[6],
            canonical=row[7],
            leaf_hash=row[8],
            chain_hash=row[9],
            candidate_id=row[10],
            policy=row[11],
            at=row[12],
            position=row[13],
        )
        for row in connection.execute(PAGE, values)
    ]


def _payloads(connection: Connection, payload_ids: Sequence[str]) -> dict[str, Payload]:
    found: dict[str, Payload] = {}
    for start in range(0, len(payload_ids), IDS_A_QUERY):
        ids = list(payload_ids[start : start + IDS_A_QUERY])
        found |= {row.id: payload_from(row) for row in connection.execute(SOME, {"ids": ids})}
    return found
