"""The use cases of the audit log: verify it, list its checkpoints, prove that a decision stands in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.audit_keys import KeyFile
from orchestrator.audit_outside import Outside, copy_in
from orchestrator.audit_places import outside_of
from orchestrator.audit_proofs import Consistency, consistency_of, proof_of
from orchestrator.checkpointer import Checkpointer
from storage.audit import Trust, Verification, verify
from storage.checkpoint_records import AuditCheckpoint, SigningKey
from storage.errors import LogCorrupt
from storage.stores import Stores

if TYPE_CHECKING:
    from orchestrator.settings import Settings

MEMORY = "memory:"


@dataclass(frozen=True, kw_only=True)
class AuditDesk:
    """Over open stores. `own_key`: whether the key's file says who must have signed last."""

    stores: Stores
    key_file: KeyFile
    outside: Outside | None
    trusted_keys: tuple[str, ...] = ()
    has_own_key: bool = True

    async def verify(self, *, on_progress: Callable[[int], None] | None = None) -> Verification:
        """The whole log, with the place outside where there is one. Raises StorageUnavailable."""
        copy = None if self.outside is None else await asyncio.to_thread(copy_in, self.outside)
        return await verify(self.stores, on_progress=on_progress, outside=copy, trust=await self._trust())

    async def checkpoints(self, *, after_number: int = 0, limit: int = 100) -> list[AuditCheckpoint]:
        return await self.stores.checkpoints.checkpoints(after_number=after_number, limit=limit)

    async def proof(self, decision_id: str) -> dict[str, Any]:
        """See `orchestrator.audit_proofs.proof_of`."""
        return await proof_of(self.stores, decision_id)

    async def consistency(self, first: int, second: int) -> Consistency:
        return await consistency_of(self.stores, first, second)

    async def _trust(self) -> Trust:
        own_key = None
        if self.has_own_key and self.key_file.is_there:
            keys = await self._stored_keys() if self.key_file.path is not None else []
            newest = keys[-1].key_id if keys else None
            own_key = (await asyncio.to_thread(self.key_file.signer, newest)).public_key
        return Trust(own_key=own_key, keys=self.trusted_keys)

    async def _stored_keys(self) -> list[SigningKey]:
        """None where they are damaged: that is for the verification to tell."""
        try:
            return await self.stores.checkpoints.keys()
        except LogCorrupt:
            return []


@dataclass(frozen=True, kw_only=True)
class Audit(AuditDesk):
    """Of an open service, which signs the log too."""

    checkpointer: Checkpointer | None  # None: the settings say that the log is not signed

    def notices(self) -> tuple[str, ...]:
        return () if self.checkpointer is None else self.checkpointer.notices()

    def newest_number(self) -> int:
        """Of the checkpoints that this process knows of; 0: none."""
        latest = None if self.checkpointer is None else self.checkpointer.latest
        return 0 if latest is None else latest.number

    def not_outside(self) -> int:
        """How many of them wait to be brought to the place outside."""
        if self.checkpointer is None or self.outside is None:
            return 0
        return max(0, self.newest_number() - self.checkpointer.outside_number)

    def start(self) -> None:
        if self.checkpointer is not None:
            self.checkpointer.start()

    async def stop(self) -> None:
        """After everything else that writes: the last checkpoint holds all."""
        if self.checkpointer is not None:
            await self.checkpointer.stop()


def made_audit(settings: Settings, stores: Stores) -> Audit:
    """Raises SettingsInvalid for a place outside or a key that is none.

    Stores that live longer than what the settings say of theirs are not signed: each opening would have another key.
    """
    is_signed = settings.audit.is_signed and (settings.store_url != MEMORY or stores.url == MEMORY)
    key_file, outside, said = KeyFile.of(settings), outside_of(settings), settings.audit
    checkpointer = Checkpointer(
        stores, key_file, outside, every_events=said.every_events, every_seconds=said.every_seconds
    )
    return Audit(
        stores=stores,
        key_file=key_file,
        outside=outside,
        trusted_keys=said.trusted_keys,
        checkpointer=checkpointer if is_signed else None,
    )
