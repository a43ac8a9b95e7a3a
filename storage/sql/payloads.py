"""Raw texts, and their erasure: text and salt go, the digest and the log stay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from storage.canonical import checked_id, iso, moment_of
from storage.chain import erasure
from storage.errors import RecordNotFound
from storage.records import Payload, utc_now
from storage.sql.batch import Batch
from storage.sql.store import SqlStore
from storage.sql.tables import payloads
from storage.sql.trails import forget_vectors

columns = payloads.c
SOME = select(columns.id, columns.text, columns.salt, columns.digest, columns.erased_at).where(
    columns.id.in_(bindparam("ids", expanding=True))
)
ERASE = (
    update(payloads)
    .where(columns.id == bindparam("payload_id"))
    .values(text=None, salt=None, erased_at=bindparam("moment"))
)


class SqlPayloadStore(SqlStore):
    async def get(self, payload_id: str) -> Payload:
        checked_id(payload_id, "payload_id")
        return await self.peek(lambda connection: one_payload(connection, payload_id))

    async def erase(self, payload_id: str) -> Payload:
        checked_id(payload_id, "payload_id")

        def apply(batch: Batch) -> Payload:
            batch.insert()  # the payload may stand in this very transaction
            payload = one_payload(batch.connection, payload_id)
            if payload.erased_at is not None:
                return payload
            now = utc_now()
            batch.connection.execute(ERASE, {"payload_id": payload_id, "moment": iso(now)})
            forget_vectors(batch.connection, payload_id, at=now)
            batch.append(erasure(payload_id, digest=payload.digest, at=now))
            return replace(payload, text=None, salt=None, erased_at=now)

        return await self.writer.run(apply)


def one_payload(connection: Connection, payload_id: str) -> Payload:
    row = connection.execute(SOME, {"ids": [payload_id]}).one_or_none()
    if row is None:
        raise RecordNotFound(f"No payload {payload_id!r}.")
    return payload_from(row)


def payload_from(row: Row[Any, Any, Any, Any, Any]) -> Payload:
    """The payload as its row stands. Bytes that are no UTF-8 any more become a text that fits no digest."""
    text = row.text
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            text = text.decode("utf-8", "backslashreplace")
    erased_at = None if row.erased_at is None else moment_of(row.erased_at)
    return Payload(id=row.id, text=text, salt=row.salt, digest=row.digest, erased_at=erased_at)
