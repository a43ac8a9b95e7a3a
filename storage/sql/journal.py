"""Everything durable goes in here: checked at the caller, committed by the writer thread."""

from __future__ import annotations

from dataclasses import dataclass

from storage.job_records import Fence
from storage.sql.batch import Batch, Needs
from storage.sql.lookups import known_decisions, known_digests
from storage.sql.store import SqlStore
from storage.stores import Item
from storage.writing import Write, ensure_decisions, ensure_payloads, staged


@dataclass(frozen=True)
class SqlJournal(SqlStore):
    """`is_grouped`: a write that holds no verdict returns once it is queued."""

    is_grouped: bool = False

    async def write(self, *items: Item, fence: Fence | None = None) -> None:
        write = staged(items)
        if not write.size:
            return

        def apply(batch: Batch) -> None:
            batch.fences.ensure(fence)
            batch.write(write)

        if not self.is_grouped or write.has_verdict or fence is not None:
            await self.writer.run(apply, size=write.size, needs=Needs(fence=fence))
            return
        await self._ensure_known(write)
        known = self.writer.known

        def on_refused() -> list[str]:
            known.forget(write)
            return write.ids

        await self.writer.enqueue(apply, size=write.size, on_refused=on_refused)
        known.add(write.decision_ids, {payload.id: payload.digest for payload in write.payloads.values()})

    async def flush(self) -> None:
        await self.writer.flush()

    async def _ensure_known(self, write: Write) -> None:
        """Refuses now what nobody could be told later: a queued write has no caller any more."""
        known = self.writer.known
        decisions = [each for each in write.needed_decisions if each not in known.decisions]
        if decisions:
            found = await self.database.read(lambda connection: known_decisions(connection, decisions))
            ensure_decisions(decisions, found)
            known.add(found, {})
        digests = {each: known.digests[each] for each in write.needed_payloads if each in known.digests}
        missing = [each for each in write.needed_payloads if each not in digests]
        if missing:
            stored = await self.database.read(lambda connection: known_digests(connection, missing))
            known.add((), stored)
            digests |= stored
        ensure_payloads(write, digests)
