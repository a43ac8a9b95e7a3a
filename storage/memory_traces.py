"""Spans, and all that is stored of runs, in memory."""

from __future__ import annotations

from collections.abc import Sequence

from storage.canonical import checked_id, decision_from, outcome_from, reward_from, span_from
from storage.memory_log import MemoryStore
from storage.records import Span
from storage.run_records import RunRecords


class MemoryTraceStore(MemoryStore):
    async def spans_of(self, run_id: str) -> list[Span]:
        checked_id(run_id, "run_id")
        found = [span for span in self.log.spans.values() if span.run_id == run_id]
        return [span_from(span.text) for span in sorted(found, key=lambda span: span.started_at)]

    async def runs(self, run_ids: Sequence[str]) -> dict[str, RunRecords]:
        found = {checked_id(run_id, "run_id"): RunRecords() for run_id in run_ids}
        for event in self.log.events:
            records = found.get(event.run_id or "")
            if records is None:
                continue
            if event.kind == "decision":
                records.decisions.append(decision_from(event.canonical))
            elif event.kind == "outcome":
                records.outcomes.append(outcome_from(event.canonical))
            elif event.kind == "reward":
                records.rewards.append(reward_from(event.canonical))
        for run_id, records in found.items():
            records.spans += await self.spans_of(run_id)
        return found
