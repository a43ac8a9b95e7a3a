"""Decisions as rows and sums in SQL: they are read here, and made in storage.sql.summary_folding."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import CompoundSelect, Connection, Select, bindparam, func, select, union_all

from storage.canonical import checked_id
from storage.errors import LogCorrupt, RecordNotFound
from storage.sql.store import SqlStore
from storage.sql.summary_folding import Pace, Progress, empty_slice, folded_slice, mark_emptying, progress_of, put_slice
from storage.sql.summary_pages import page_of
from storage.sql.summary_tables import decision_summaries, decision_totals
from storage.sql.tables import audit_events
from storage.summaries import SUMS, key_text, summary_from
from storage.summary_filters import GROUP_COLUMN, Stretch, stretches, time_key, totals_from, wanted_rows
from storage.summary_records import DecisionSummary, SummaryFilter, SummaryProgress, Totals, TotalsFilter

GIVE_WAY_SECONDS = 0.003  # between slices, to those whose requests wait

rows, cells, events = decision_summaries.c, decision_totals.c, audit_events.c
ONE = (
    select(decision_summaries)
    .join(audit_events, events.position == rows.position)
    .where(events.kind == "decision", events.subject_id == bindparam("id"))
)


@dataclass(frozen=True)
class SqlSummaryStore(SqlStore):
    """A stretch of the log is read and folded beside the writer; then the writer puts it in, if nobody else did."""

    pace: Pace = field(default_factory=Pace)

    async def catch_up(self, *, seconds: float) -> SummaryProgress:
        deadline = time.monotonic() + seconds
        progress = await self.peek(progress_of)
        while progress.is_behind:
            await self.go_on(progress)
            progress = await self.peek(progress_of)
            if time.monotonic() >= deadline:
                break
            await asyncio.sleep(GIVE_WAY_SECONDS)
        return progress.summary

    async def find(self, wanted: SummaryFilter) -> list[DecisionSummary]:
        page = wanted_rows(wanted)
        found = await self.database.read(lambda connection: page_of(connection, page))
        return [summary_from(row) for row in found]

    async def get(self, decision_id: str) -> DecisionSummary:
        values = {"id": checked_id(decision_id, "decision_id")}
        row = await self.database.read(lambda connection: connection.execute(ONE, values).mappings().one_or_none())
        if row is None:
            raise RecordNotFound(f"No summary of a decision {decision_id!r}.")
        return summary_from(row)

    async def totals(self, wanted: TotalsFilter) -> list[Totals]:
        parts = union_all(*(_sums(stretch, wanted) for stretch in stretches(wanted)))
        keyed = await self.database.read(lambda connection: _grouped(connection, parts))
        named = {time_key(key) if isinstance(key, int) else key: counts for key, counts in keyed.items()}
        return [totals_from(key, named[key]) for key in sorted(named)]

    async def rebuild(self) -> None:
        await self.writer.run(mark_emptying)
        while (await self.peek(progress_of)).is_emptying:
            await self.writer.run(empty_slice)
            await asyncio.sleep(GIVE_WAY_SECONDS)

    async def go_on(self, progress: Progress) -> None:
        """One slice further from there, unless somebody else was faster."""
        if progress.is_emptying:
            await self.writer.run(empty_slice)
            return
        pace, count = self.pace, self.pace.events
        try:
            added = await self.database.read(lambda connection: folded_slice(connection, progress, count))
        except LogCorrupt:
            if (await self.peek(progress_of)).place == progress.place:
                raise
            return  # the rows of earlier decisions were removed meanwhile: that is no fault of the log
        await self.writer.run(lambda batch: put_slice(batch, added, pace))


def _sums(stretch: Stretch, wanted: TotalsFilter) -> Select[Any]:
    slot = cells.hour // wanted.slot_hours * wanted.slot_hours
    key = slot if wanted.by == "time" else cells[GROUP_COLUMN[wanted.by]]
    query = select(key.label("key"), *(func.sum(cells[name]) for name in SUMS)).where(cells.grain == stretch.grain)
    if stretch.since is not None:
        query = query.where(cells.hour >= stretch.since)
    if stretch.until is not None:
        query = query.where(cells.hour < stretch.until)
    for name in ("tenant", "candidate_id", "policy"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(cells[name] == key_text(value))
    return query.group_by(key)


def _grouped(connection: Connection, parts: CompoundSelect[Any]) -> dict[int | str, Sequence[int]]:
    """Counts by group, whose parts may come from several stretches."""
    groups: dict[int | str, Sequence[int]] = {}
    for row in connection.execute(parts):
        key, counts = row[0], row[1:]
        have = groups.get(key)
        groups[key] = counts if have is None else [int(one) + int(more) for one, more in zip(have, counts, strict=True)]
    return groups
