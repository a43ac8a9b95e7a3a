"""The log and the payloads exactly as their rows stand, however they came to stand so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, LargeBinary, bindparam, cast, func, select

from storage.audit_records import Link, LoggedRow, TextRow
from storage.canonical import checked_id
from storage.errors import RecordNotFound
from storage.records import AuditEvent, Payload
from storage.sql.hot import HotStatement
from storage.sql.payloads import SOME, payload_from
from storage.sql.store import SqlStore, chunks
from storage.sql.tables import audit_events, payloads

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


def _paged(columns: Sequence[ColumnElement[Any]]) -> HotStatement:
    """The offset of nothing is named too: SQLite's dialect would else add one of its own."""
    page = select(*columns).where(events.position > bindparam("after"))
    return HotStatement(page.order_by(events.position).limit(bindparam("count")).offset(bindparam("skipped")))


ROWS = _paged([events[name] for name in LoggedRow._fields])
ROWS_OF_BYTES = _paged(  # SQLite need not make a text of what is hashed as bytes
    [cast(events[name], LargeBinary) if name == "canonical" else events[name] for name in LoggedRow._fields]
)
LINKS = _paged([events[name] for name in Link._fields])
TEXTS = select(*(payloads.c[name] for name in TextRow._fields)).where(
    payloads.c.id.in_(bindparam("ids", expanding=True))
)
# SQLite takes the ids as one value: to bind and expand a thousand takes longer than to find them.
LISTED = func.json_each(bindparam("ids")).table_valued("value").c.value
TEXTS_LISTED = HotStatement(
    select(*(payloads.c[name] for name in TextRow._fields)).where(payloads.c.id.in_(select(LISTED)))
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
        values = {"after": after_position, "count": max(limit, 0), "skipped": 0}
        query = ROWS_OF_BYTES if self.database.is_sqlite else ROWS
        return await self.read(lambda connection: list(map(LoggedRow._make, query.rows(connection, values))))

    async def links(self, *, after_position: int = 0, limit: int = 1000) -> list[Link]:
        values = {"after": after_position, "count": max(limit, 0), "skipped": 0}
        return await self.read(lambda connection: list(map(Link._make, LINKS.rows(connection, values))))

    async def payloads(self, payload_ids: Sequence[str]) -> dict[str, Payload]:
        return await self.read(lambda connection: _payloads(connection, payload_ids))

    async def text_rows(self, payload_ids: Sequence[str]) -> dict[str, TextRow]:
        if self.database.is_sqlite:
            return await self.read(lambda connection: _listed_text_rows(connection, payload_ids))
        return await self.read(lambda connection: _text_rows(connection, payload_ids))


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


def _listed_text_rows(connection: Connection, payload_ids: Sequence[str]) -> dict[str, TextRow]:
    rows = TEXTS_LISTED.rows(connection, {"ids": orjson.dumps(list(payload_ids)).decode()})
    return {row[0]: TextRow._make(row) for row in rows}


def _text_rows(connection: Connection, payload_ids: Sequence[str]) -> dict[str, TextRow]:
    found: dict[str, TextRow] = {}
    for ids in chunks(payload_ids):
        for row in connection.execute(TEXTS, {"ids": ids}).all():
            found[row[0]] = TextRow._make(row)
    return found
