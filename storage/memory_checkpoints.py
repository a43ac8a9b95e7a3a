"""Checkpoints of the audit log in lists: the double for tests, with every promise of the databases but durability."""

from __future__ import annotations

from collections.abc import Sequence

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
from storage.memory_log import MemoryStore


class MemoryCheckpointStore(MemoryStore):
    async def append(self, checkpoint: AuditCheckpoint, *, tiles: Sequence[str] = ()) -> AuditCheckpoint:
        self.log.ensure_open()
        text, keys = checkpoint_text(checkpoint), await self.keys()
        newest = keys[-1] if keys else None
        ensure_follows(checkpoint, await self.latest(), newest, tiles=len(self.log.tiles) + len(tiles))
        self.log.checkpoints.append(text)
        self.log.tiles += tiles
        return checkpoint_from(text)

    async def latest(self) -> AuditCheckpoint | None:
        return checkpoint_from(self.log.checkpoints[-1]) if self.log.checkpoints else None

    async def covering(self, position: int) -> AuditCheckpoint | None:
        return next((each for each in map(checkpoint_from, self.log.checkpoints) if each.tree_size >= position), None)

    async def get(self, number: int) -> AuditCheckpoint:
        if not 1 <= number <= len(self.log.checkpoints):
            raise no_checkpoint(number)
        return checkpoint_from(self.log.checkpoints[number - 1])

    async def checkpoints(self, *, after_number: int = 0, limit: int = 1000) -> list[AuditCheckpoint]:
        start = max(after_number, 0)
        return [checkpoint_from(text) for text in self.log.checkpoints[start : start + max(limit, 0)]]

    async def tiles(self) -> list[str]:
        return list(self.log.tiles)

    async def put_key(self, key: SigningKey) -> SigningKey:
        self.log.ensure_open()
        if checked_key(key, await self.keys()) is None:
            self.log.signing_keys.append(key_text(key))
        return next(each for each in await self.keys() if each.key_id == key.key_id)

    async def keys(self) -> list[SigningKey]:
        return in_turn([key_from(text) for text in self.log.signing_keys])
