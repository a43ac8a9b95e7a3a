"""Signed roots of the audit log: what says, outside of the log, how the log stood at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The newest link of a writer's chain."""

    writer: str
    seq: int
    chain_hash: str  # hex


@dataclass(frozen=True, kw_only=True)
class AuditCheckpoint:
    """The log's first `tree_size` events, in the log's order, as one root (RFC 6962), signed with Ed25519."""

    number: int  # 1, 2, 3, …
    tree_size: int
    root_hash: str  # hex
    heads: tuple[Head, ...]  # of every writer with an event since the checkpoint before, by writer
    previous_sha256: str  # of the checkpoint before it, over its canonical JSON with signature; "" for the first
    signed_at: datetime
    key_id: str  # the signing key's: SHA-256 of its public key, hex, the first 16 characters
    signature: str = ""  # hex, over the canonical JSON of all the other fields and of `kind`


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """A public key that checkpoints were signed with; the private one never enters the database."""

    key_id: str
    public_key: str  # hex, 32 bytes
    created_at: datetime
    previous_key_id: str | None = None  # the one it took over from …
    endorsement: str = ""  # … and that one's signature (hex) over this one's fields above; empty: it was lost
    retired_at: datetime | None = None  # when the next one took over; made by the store


class CheckpointStore(Protocol):
    """Append-only. A checkpoint that does not follow from the one before it is refused."""

    async def append(self, checkpoint: AuditCheckpoint, *, tiles: Sequence[str] = ()) -> AuditCheckpoint:
        """`tiles`: the roots (hex) of the log's tiles of 256 leaves that became whole since the last checkpoint.

        Raises VersionConflict when another process has signed this number first, or when the key is not the newest;
        InvalidInput for one that does not follow.
        """
        ...

    async def latest(self) -> AuditCheckpoint | None: ...

    async def covering(self, position: int) -> AuditCheckpoint | None:
        """The first one whose tree holds the event at this place; None: none does yet."""
        ...

    async def get(self, number: int) -> AuditCheckpoint:
        """Raises RecordNotFound."""
        ...

    async def checkpoints(self, *, after_number: int = 0, limit: int = 1000) -> list[AuditCheckpoint]:
        """In order of their numbers."""
        ...

    async def tiles(self) -> list[str]:
        """The roots of all whole tiles that checkpoints hold, in the log's order."""
        ...

    async def put_key(self, key: SigningKey) -> SigningKey:
        """Raises VersionConflict unless it is the first, or takes over from the newest; a known one changes nothing."""
        ...

    async def keys(self) -> list[SigningKey]:
        """Oldest first."""
        ...
