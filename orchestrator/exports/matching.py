"""Which events of the log belong to decisions that a filter wants, without all of these being kept in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from routing.recent import Recent
from storage.errors import RecordNotFound
from storage.records import AuditEvent
from storage.stores import SummaryStore
from storage.summary_records import SummaryFilter

REMEMBERED = 50_000  # decisions of which it is known; most outcomes come soon, and others are looked up


def is_plain(wanted: SummaryFilter) -> bool:
    """Whether it wants all decisions of its time, so that events need not be asked whose they are."""
    return replace(wanted, since=None, until=None, before_position=None, after_position=None, limit=0) == SummaryFilter(
        limit=0
    )


class Matching:
    """Asks the summaries: for a stretch of the log at once, and for a single decision that was made before it."""

    def __init__(self, summaries: SummaryStore, wanted: SummaryFilter) -> None:
        self._summaries = summaries
        self._wanted = wanted
        self._known: Recent[bool] = Recent(REMEMBERED)

    async def of(self, events: Sequence[AuditEvent], *, after_position: int, until_position: int) -> list[AuditEvent]:
        """Those of wanted decisions; `events` are all between the two places."""
        here = await self._summaries.find(
            replace(self._wanted, after_position=after_position, before_position=until_position + 1, limit=len(events))
        )
        wanted = {each.decision_id for each in here}
        for event in events:
            if event.kind == "decision":
                self._known.remember(event.subject_id, event.subject_id in wanted)
        return [event for event in events if event.decision_id and await self._fits(event.decision_id)]

    async def _fits(self, decision_id: str) -> bool:
        known = self._known.recall(decision_id)
        if known is None:
            known = await self._looked_up(decision_id)
            self._known.remember(decision_id, known)
        return known

    async def _looked_up(self, decision_id: str) -> bool:
        try:
            position = (await self._summaries.get(decision_id)).position
        except RecordNotFound:
            return False
        only = replace(self._wanted, after_position=position - 1, before_position=position + 1, limit=1)
        return bool(await self._summaries.find(only))
