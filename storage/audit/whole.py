"""Checks the whole audit log, the payloads and files that it quotes, and its signed checkpoints.

Found from inside: a changed column of an event or of a quoted payload or file, an event that was removed, added or
moved, a chain whose tail was cut before a later writer opened; and, as far as checkpoints reach that are still there, a
tail cut off the whole log and a log rewritten with fresh hashes. Who can write to the whole database can remove or
make anew the checkpoints too: that is found with a copy of them outside, or with the signing key at hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from storage.audit.findings import BadEvent, Verification, missing_event
from storage.audit.kept_files import check_files
from storage.audit.payloads import Texts
from storage.audit.seals import Seals
from storage.audit.signed import OutsideCopy, Trust, read_seals
from storage.audit.walk import Checked, Walk
from storage.audit_records import LoggedRow
from storage.errors import LogCorrupt
from storage.stores import AuditLog, Stores

BATCH_EVENTS = 1000  # small enough to stay near the processor
BEFORE_EVERYTHING = -(2**63)


@dataclass
class _Whole:
    """One verification under way."""

    stores: Stores
    walk: Walk
    texts: Texts
    seals: Seals
    files: int = 0

    async def check(self, rows: Sequence[LoggedRow]) -> BadEvent | None:
        """Chains, columns and roots of all rows first; then the payloads and files of those that are right."""
        found = await asyncio.to_thread(self._walked, rows)
        bad = await self.texts.check(found.quotes, self.stores.audit) if found.quotes else None
        count, bad_file = await check_files(self.stores, found.filed) if found.filed else (0, None)
        self.files += count
        faults = [each for each in (bad, bad_file, found.bad) if each is not None]
        return min(faults, key=lambda each: each.position, default=None)

    def _walked(self, rows: Sequence[LoggedRow]) -> Checked:
        """Stops at each checkpoint, to compare."""
        whole, start = Checked(), 0
        while start < len(rows) and whole.bad is None:
            stop = self.seals.next_stop()
            end = len(rows) if stop is None else min(len(rows), start + stop - self.seals.tree.size)
            part = self.walk.check(rows[start:end])
            self.seals.grow(part.leaves, [row.writer for row in rows[start : start + len(part.leaves)]], self.walk)
            whole.quotes += part.quotes
            whole.filed += part.filed
            whole.bad, start = part.bad, end
        return whole


async def verify(
    stores: Stores,
    *,
    on_progress: Callable[[int], None] | None = None,
    outside: OutsideCopy | None = None,
    trust: Trust | None = None,
) -> Verification:
    """Walks the whole log in batches; `on_progress` hears how many events were checked so far.

    `outside`: read it before this is called, so that a service that goes on signing does not look like a forger.
    Memory grows by the ids of the decisions, about 100 bytes each. Raises StorageUnavailable when the log cannot
    be read; what is read and wrong is no error but the result.
    """
    seals = await read_seals(stores.checkpoints, outside, trust or Trust())
    whole = _Whole(stores=stores, walk=Walk(), texts=Texts(), seals=seals)
    bad: BadEvent | None = None
    after = BEFORE_EVERYTHING
    while bad is None:
        rows, damage = await _read(stores.audit, after)
        if not rows and damage is None:
            bad = whole.texts.end() or seals.cut_off()
            break
        after = rows[-1].position if rows else after
        bad = await whole.check(rows) or damage
        if on_progress is not None:
            on_progress(whole.walk.position)
    return Verification(
        is_whole=bad is None and seals.faults.first is None,
        events_checked=whole.walk.position,
        writers=len(whole.walk.chains),
        first_bad_event=bad,
        erased_payloads=len(whole.texts.erased),
        files_checked=whole.files,
        checkpoints=seals.fitting,
        sealed_events=seals.sealed_events,
        outside_checkpoints=seals.compared,
        first_bad_checkpoint=seals.faults.first,
    )


async def _read(audit: AuditLog, after: int) -> tuple[Sequence[LoggedRow], BadEvent | None]:
    """The next events, and the row after them if the database itself can no longer read it."""
    try:
        return await audit.rows(after_position=after, limit=BATCH_EVENTS), None
    except LogCorrupt:
        return await _read_up_to_damage(audit, after)


async def _read_up_to_damage(audit: AuditLog, after: int) -> tuple[Sequence[LoggedRow], BadEvent | None]:
    rows: list[LoggedRow] = []
    while True:
        try:
            following = await audit.rows(after_position=after, limit=1)
        except LogCorrupt as exc:
            return rows, missing_event(max(after, 0) + 1, str(exc))
        if not following:
            return rows, None
        rows += following
        after = following[-1].position
