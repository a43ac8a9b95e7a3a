"""Refuses, inside the transaction that would write, who works for a job that another worker has by now."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, Text, bindparam, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from storage.job_moves import lease_lost
from storage.job_records import Fence
from storage.sql.hot import HotStatement
from storage.sql.tables import jobs

job = jobs.c
RUNNING = job.state == literal_column("'running'")
# The row stays as it is until the transaction ends (a no-op on SQLite, where one transaction writes at a time).
GOOD = HotStatement(
    select(job.position)
    .where(job.id == bindparam("job_id"), job.fence == bindparam("number"), RUNNING)
    .with_for_update(read=True)
)
SOME = HotStatement(  # of PostgreSQL
    select(job.id, job.fence, job.last_event)
    .where(job.id == func.any(bindparam("ids", type_=ARRAY(Text))), RUNNING)
    .order_by(job.position)
    .with_for_update()
)
COUNT = HotStatement(update(jobs).where(job.id == bindparam("job_id")).values(last_event=bindparam("last")))
COUNT_MORE = (
    update(jobs)
    .where(job.id == bindparam("job_id"), job.fence == bindparam("number"), RUNNING)
    .values(last_event=job.last_event + bindparam("more"))
    .returning(job.last_event)
)


@dataclass(slots=True)
class Working:
    """A running job as it stands in this transaction."""

    number: int
    last_event: int


class Fences:
    """The running jobs that this transaction looked at; whoever changes or reads their rows calls `forget` first."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._known: dict[str, Working] = {}
        self._counted: dict[str, Working] = {}  # with events that the row does not count yet

    def look(self, job_ids: Collection[str]) -> None:
        """Reads and locks them in one round trip, on PostgreSQL."""
        if job_ids:
            rows = SOME.rows(self.connection, {"ids": list(job_ids)})
            self._known |= {job_id: Working(number, last_event) for job_id, number, last_event in rows}

    def ensure(self, fence: Fence | None) -> None:
        """Raises LeaseLost; None: nobody writes for a job."""
        if fence is None or self._working(fence) is not None:
            return
        if GOOD.first(self.connection, {"job_id": fence.job_id, "number": fence.number}) is None:
            raise lease_lost(fence)

    def count(self, fence: Fence, more: int) -> int:
        """The number of the job's last event, once it has so many more. Raises LeaseLost."""
        working = self._working(fence)
        if working is not None:
            working.last_event += more
            self._counted[fence.job_id] = working
            return working.last_event
        values = {"job_id": fence.job_id, "number": fence.number, "more": more}
        last = self.connection.execute(COUNT_MORE, values).scalar()
        if last is None:
            raise lease_lost(fence)
        return int(last)

    def forget(self, job_id: str | None = None) -> None:
        """This job, or all: writes what was counted; who asks next, asks the database."""
        if job_id is None or job_id in self._counted:
            self.flush()
        if job_id is None:
            self._known.clear()
        else:
            self._known.pop(job_id, None)

    def flush(self) -> None:
        """Writes what was counted."""
        counted = [{"job_id": job_id, "last": each.last_event} for job_id, each in self._counted.items()]
        COUNT.each(self.connection, counted)
        self._counted.clear()

    def _working(self, fence: Fence) -> Working | None:
        """None: not known, or not this fence's."""
        working = self._known.get(fence.job_id)
        return working if working is not None and working.number == fence.number else None
