"""Decisions as rows and sums in dictionaries: the double for tests, made of the log as the databases do it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from storage.canonical import checked_id, moment_of
from storage.errors import RecordNotFound
from storage.memory_log import MemoryStore
from storage.summaries import (
    FOLDED_KINDS,
    SUMS,
    Cell,
    LogLine,
    Row,
    Sums,
    folded,
    key_text,
    needed_decisions,
    summary_from,
)
from storage.summary_filters import GROUP_COLUMN, Stretch, is_wanted, stretches, time_key, totals_from, wanted_rows
from storage.summary_records import DecisionSummary, SummaryFilter, SummaryProgress, Totals, TotalsFilter

EVENTS_A_SLICE = 500


@dataclass
class Made:
    """What was made of the log so far."""

    position: int = 0
    rows: dict[str, Row] = field(default_factory=dict)  # by decision, in log order
    cells: dict[Cell, Sums] = field(default_factory=dict)


@dataclass(frozen=True)
class MemorySummaryStore(MemoryStore):
    made: Made = field(default_factory=Made)

    async def catch_up(self, *, seconds: float) -> SummaryProgress:
        self.log.ensure_open()
        deadline = time.monotonic() + seconds
        while self.made.position < len(self.log.events):
            self._fold_slice()
            if time.monotonic() >= deadline:
                break
        ahead = self.log.events[self.made.position : self.made.position + 1]
        return SummaryProgress(
            position=self.made.position,
            last_position=len(self.log.events),
            since=moment_of(ahead[0].at) if ahead else None,
        )

    async def find(self, wanted: SummaryFilter) -> list[DecisionSummary]:
        rows = wanted_rows(wanted)
        found = [row for row in reversed(self.made.rows.values()) if is_wanted(row, rows)]
        return [summary_from(row) for row in found[: rows.limit]]

    async def get(self, decision_id: str) -> DecisionSummary:
        row = self.made.rows.get(checked_id(decision_id, "decision_id"))
        if row is None:
            raise RecordNotFound(f"No summary of a decision {decision_id!r}.")
        return summary_from(row)

    async def totals(self, wanted: TotalsFilter) -> list[Totals]:
        groups: dict[int | str, Sums] = {}
        for stretch in stretches(wanted):
            for cell, sums in self._cells(stretch, wanted):
                slot = cell.hour // wanted.slot_hours * wanted.slot_hours
                key = slot if wanted.by == "time" else getattr(cell, GROUP_COLUMN[wanted.by])
                groups.setdefault(key, Sums([0] * len(SUMS))).add(sums.counts)
        keyed = {time_key(key) if isinstance(key, int) else key: sums.counts for key, sums in groups.items()}
        return [totals_from(key, keyed[key]) for key in sorted(keyed)]

    async def rebuild(self) -> None:
        self.log.ensure_open()
        self.made.position = 0
        self.made.rows.clear()
        self.made.cells.clear()

    def _fold_slice(self) -> None:
        events = self.log.events[self.made.position : self.made.position + EVENTS_A_SLICE]
        lines = [
            LogLine(event.position, event.kind, event.decision_id or "", event.canonical)
            for event in events
            if event.kind in FOLDED_KINDS
        ]
        known = {each: self.made.rows[each] for each in needed_decisions(lines) if each in self.made.rows}
        added = folded(lines, known)
        self.made.rows |= added.new | added.changed
        for cell, sums in added.cells.items():
            self.made.cells.setdefault(cell, Sums([0] * len(SUMS))).include(sums)
        self.made.position += len(events)

    def _cells(self, stretch: Stretch, wanted: TotalsFilter) -> Iterator[tuple[Cell, Sums]]:
        names = {"tenant": wanted.tenant, "candidate_id": wanted.candidate_id, "policy": wanted.policy}
        texts = {name: key_text(value) for name, value in names.items() if value is not None}
        for cell, sums in self.made.cells.items():
            if (
                cell.grain == stretch.grain
                and (stretch.since is None or cell.hour >= stretch.since)
                and (stretch.until is None or cell.hour < stretch.until)
                and all(getattr(cell, name) == text for name, text in texts.items())
            ):
                yield cell, sums
