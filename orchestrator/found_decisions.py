"""Whole decisions, found by what only their summaries say: cost, outcome, margin."""

from __future__ import annotations

import asyncio

from storage.stores import StoredDecision, Stores
from storage.summary_records import SummaryFilter

CATCH_UP_SECONDS = 0.5  # a request waits no longer for rows to be made of the newest events
AT_ONCE = 32  # decisions that are read side by side


async def by_summaries(stores: Stores, wanted: SummaryFilter) -> list[StoredDecision]:
    """Newest first. What was decided while a long log is first looked at may be missing."""
    await stores.summaries.catch_up(seconds=CATCH_UP_SECONDS)
    rows = await stores.summaries.find(wanted)
    found: list[StoredDecision] = []
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        decisions = await asyncio.gather(*(stores.decisions.get(row.decision_id) for row in some))
        pairs = zip(some, decisions, strict=True)
        found += [StoredDecision(position=row.position, decision=decision) for row, decision in pairs]
    return found
