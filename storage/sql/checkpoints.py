"""Signed checkpoints of the audit log in SQL, the public keys, and the roots of the log's whole tiles."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Select, bindparam, func, insert, select

from storage.checkpoint_forms import (
    checked_key,
    checkpoint_from,
    checkpoint_text,
    ensure_follows,
    in_turn,
    key_from,
    key_text,
    no_checkpoint,
)
from storage.checkpoint_records import AuditCheckpoint, SigningKey
from storage.errors import LogCorrupt
from storage.sql.batch import Batch
from storage.sql.checkpoint_tables import audit_checkpoints, audit_keys, audit_tiles
from storage.sql.store import SqlStore

columns = audit_checkpoints.c
Rows = Select[int, int, str]
ALL: Rows = select(columns.number, columns.tree_size, columns.record)
LATEST: Rows = ALL.order_by(columns.number.desc()).limit(1)
ONE: Rows = ALL.where(columns.number == bindparam("number"))
COVERING: Rows = ALL.where(columns.tree_size >= bindparam("position")).order_by(columns.tree_size).limit(1)
PAGE: Rows = ALL.where(columns.number > bindparam("after")).order_by(columns.number).limit(bindparam("count"))
KEYS = select(audit_keys.c.record).order_by(audit_keys.c.position)
TILES = select(audit_tiles.c.root_hash).order_by(audit_tiles.c.number)
TILE_COUNT = select(func.count()).select_from(audit_tiles)


class SqlCheckpointStore(SqlStore):
    """Writes are never queued with nobody waiting, so that reads need not wait for the writer."""

    async def append(self, checkpoint: AuditCheckpoint, *, tiles: Sequence[str] = ()) -> AuditCheckpoint:
        text = checkpoint_text(checkpoint)
        row = {"number": checkpoint.number, "tree_size": checkpoint.tree_size, "record": text}

        def apply(batch: Batch) -> AuditCheckpoint:
            """When a broken connection makes the writer try again, it may be there by this very call."""
            latest, keys = _one(batch.connection, LATEST), _keys(batch.connection)
            if batch.is_careful and latest is not None and checkpoint_text(latest) == text:
                return latest
            count = batch.connection.execute(TILE_COUNT).scalar() or 0
            ensure_follows(checkpoint, latest, keys[-1] if keys else None, tiles=count + len(tiles))
            batch.connection.execute(insert(audit_checkpoints), row)
            if tiles:
                new = [{"number": count + place, "root_hash": each} for place, each in enumerate(tiles, 1)]
                batch.connection.execute(insert(audit_tiles), new)
            return checkpoint

        return await self.writer.run(apply)

    async def latest(self) -> AuditCheckpoint | None:
        return await self.database.read(lambda connection: _one(connection, LATEST))

    async def covering(self, position: int) -> AuditCheckpoint | None:
        return await self.database.read(lambda connection: _one(connection, COVERING, position=position))

    async def get(self, number: int) -> AuditCheckpoint:
        found = await self.database.read(lambda connection: _one(connection, ONE, number=number))
        if found is None:
            raise no_checkpoint(number)
        return found

    async def checkpoints(self, *, after_number: int = 0, limit: int = 1000) -> list[AuditCheckpoint]:
        values = {"after": after_number, "count": max(limit, 0)}
        return await self.database.read(
            lambda connection: [_checkpoint(*row) for row in connection.execute(PAGE, values)]
        )

    async def tiles(self) -> list[str]:
        return await self.database.read(lambda connection: list(connection.execute(TILES).scalars()))

    async def put_key(self, key: SigningKey) -> SigningKey:
        def apply(batch: Batch) -> None:
            known = _keys(batch.connection)
            if checked_key(key, known) is None:
                row = {"position": len(known) + 1, "key_id": key.key_id, "record": key_text(key)}
                batch.connection.execute(insert(audit_keys), row)

        await self.writer.run(apply)
        return next(each for each in await self.keys() if each.key_id == key.key_id)

    async def keys(self) -> list[SigningKey]:
        return await self.database.read(_keys)


def _keys(connection: Connection) -> list[SigningKey]:
    return in_turn([key_from(text) for text in connection.execute(KEYS).scalars()])


def _one(connection: Connection, query: Rows, **values: int) -> AuditCheckpoint | None:
    row = connection.execute(query, values).one_or_none()
    return None if row is None else _checkpoint(*row)


def _checkpoint(number: int, tree_size: int, record: str) -> AuditCheckpoint:
    found = checkpoint_from(record)
    if (found.number, found.tree_size) != (number, tree_size):
        raise LogCorrupt(f"The columns of checkpoint {number!r} are not what its record says.")
    return found
