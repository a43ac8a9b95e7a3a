"""Spans of a run, by start."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from storage.canonical import checked_id, span_from
from storage.records import Span
from storage.sql.store import SqlStore
from storage.sql.tables import spans

OF_RUN = select(spans.c.record).where(spans.c.run_id == bindparam("run_id")).order_by(spans.c.started_at, spans.c.row)


class SqlTraceStore(SqlStore):
    async def spans_of(self, run_id: str) -> list[Span]:
        values = {"run_id": checked_id(run_id, "run_id")}
        texts = await self.read(lambda connection: list(connection.execute(OF_RUN, values).scalars()))
        return [span_from(text) for text in texts]
