"""Spans of a run, by start; and all that is stored of some runs, at one read."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from storage.canonical import checked_id, decision_from, outcome_from, reward_from, span_from
from storage.records import Span
from storage.run_records import RunRecords
from storage.sql.store import SqlStore, chunks
from storage.sql.tables import audit_events, spans

events = audit_events.c
IDS: BindParameter[str] = bindparam("ids", expanding=True)
OF_RUN = select(spans.c.record).where(spans.c.run_id == bindparam("run_id")).order_by(spans.c.started_at, spans.c.row)
OF_RUNS = (
    select(spans.c.run_id, spans.c.record).where(spans.c.run_id.in_(IDS)).order_by(spans.c.started_at, spans.c.row)
)
EVENTS_OF_RUNS = (
    select(events.run_id, events.kind, events.canonical)
    # in this form no index serves the kind: a planner without statistics would take that one
    .where(events.run_id.in_(IDS), func.coalesce(events.kind, "").in_(("decision", "outcome", "reward")))
    .order_by(events.position)
)


class SqlTraceStore(SqlStore):
    async def spans_of(self, run_id: str) -> list[Span]:
        values = {"run_id": checked_id(run_id, "run_id")}
        texts = await self.read(lambda connection: list(connection.execute(OF_RUN, values).scalars()))
        return [span_from(text) for text in texts]

    async def runs(self, run_ids: Sequence[str]) -> dict[str, RunRecords]:
        found = {checked_id(run_id, "run_id"): RunRecords() for run_id in run_ids}
        await self.read(lambda connection: _fill(connection, found))
        return found


def _fill(connection: Connection, found: dict[str, RunRecords]) -> None:
    for ids in chunks(list(found)):
        for run_id, kind, text in connection.execute(EVENTS_OF_RUNS, {"ids": ids}):
            records = found[run_id]
            if kind == "decision":
                records.decisions.append(decision_from(text))
            elif kind == "outcome":
                records.outcomes.append(outcome_from(text))
            else:
                records.rewards.append(reward_from(text))
        for run_id, text in connection.execute(OF_RUNS, {"ids": ids}):
            found[run_id].spans.append(span_from(text))
