"""Durable jobs in SQL: every change is one operation of the writer thread, so that many callers share a commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, Select, bindparam, func, select

from storage.canonical import checked_id, iso
from storage.job_forms import event_from, event_row, kept_from
from storage.job_moves import Change, cancelled, checked_job, checked_lease, released
from storage.job_records import END_STATES, Beat, Fence, Job, JobEnd, JobEvent, JobFilter, JobState
from storage.records import Payload, utc_now
from storage.sql.batch import Batch, Needs
from storage.sql.job_writes import (
    HAS_WORK,
    beat,
    claim,
    fenced,
    finish,
    is_claimed,
    is_noted,
    keep,
    note,
    one_job,
    submit,
)
from storage.sql.store import SqlStore
from storage.sql.tables import job_events, job_totals, jobs
from storage.webhook_forms import delivery_row
from storage.webhook_records import Delivery
from storage.writing import staged

EVENTS = (
    select(job_events)
    .where(job_events.c.job_id == bindparam("job_id"), job_events.c.seq > bindparam("after"))
    .order_by(job_events.c.seq)
    .limit(bindparam("most"))
)
NEWEST = select(jobs).order_by(jobs.c.position.desc())
QUEUED = select(func.count()).where(jobs.c.tenant == bindparam("tenant"), jobs.c.state == "queued")
TOTALS = select(job_totals.c.state, job_totals.c.jobs)


class SqlJobStore(SqlStore):
    """Writes are never queued with nobody waiting, so that reads need not wait for the writer."""

    async def submit(self, jobs: Sequence[tuple[Job, Payload]]) -> list[Job]:
        writes = [checked_job(job, payload) for job, payload in jobs]
        given = [job for job, _ in jobs]
        return await self.writer.run(lambda batch: submit(batch, given, writes), size=len(jobs)) if jobs else []

    async def get(self, job_id: str) -> Job:
        checked_id(job_id, "job_id")
        return await self.database.peek(lambda connection: one_job(connection, job_id).job)

    async def find(self, wanted: JobFilter) -> list[Job]:
        query = page_of(wanted)
        rows = await self.database.read(lambda connection: connection.execute(query).mappings().all())
        return [kept_from(row).job for row in rows]

    async def claim(self, worker: str, *, most: int, lease_seconds: float, now: datetime) -> list[Job]:
        """Looks first, so that a worker with nothing to do keeps nobody from writing."""
        checked_id(worker, "worker")
        lease, moment = checked_lease(lease_seconds), iso(now, field="now")
        if not await self.database.peek(lambda connection: connection.execute(HAS_WORK, {"now": moment}).scalar()):
            return []
        made: list[Job] = []

        def apply(batch: Batch) -> list[Job]:
            """When a broken connection makes the writer try again, what was claimed is not left to its lease."""
            if not (batch.is_careful and made and is_claimed(batch.connection, made[0])):
                made[:] = claim(batch, worker, most=most, lease=lease, now=now)
            return list(made)

        return await self.writer.run(apply)

    async def beat(self, fences: Sequence[Fence], *, lease_seconds: float, now: datetime) -> dict[str, Beat]:
        until = now + checked_lease(lease_seconds)
        iso(now, field="now")
        return await self.writer.run(lambda batch: beat(batch.connection, fences, until=until)) if fences else {}

    async def note(self, fence: Fence, *events: JobEvent) -> list[JobEvent]:
        for event in events:
            event_row(event)
        made: list[JobEvent] = []

        def apply(batch: Batch) -> list[JobEvent]:
            if not (batch.is_careful and made and is_noted(batch.connection, made[0])):
                made[:] = note(batch, fence, events)
            return list(made)

        return await self.writer.run(apply, size=len(events), needs=Needs(fence=fence))

    async def finish(self, fence: Fence, end: JobEnd, *, deliveries: Sequence[Delivery] = ()) -> Job:
        write = staged(() if end.result is None else (end.result,))
        for delivery in deliveries:
            delivery_row(delivery)
        at = utc_now()

        def apply(batch: Batch) -> Job:
            return finish(batch, fence, end, at=at, write=write, deliveries=deliveries)

        return await self.writer.run(apply)

    async def release(self, fence: Fence) -> None:
        at = utc_now()

        made: list[Change] = []

        def apply(batch: Batch) -> None:
            """When a broken connection makes the writer try again, the job may have been released by this very call."""
            if batch.is_careful and made and is_noted(batch.connection, made[-1].events[0]):
                return
            made.append(released(fenced(batch, fence), at=at))
            keep(batch, made[-1:])

        await self.writer.run(apply)

    async def cancel(self, job_id: str) -> Job:
        checked_id(job_id, "job_id")
        at = utc_now()

        def apply(batch: Batch) -> Job:
            batch.fences.forget(job_id)
            kept = one_job(batch.connection, job_id, is_locked=True)
            change = cancelled(kept, at=at)
            if change is None:
                return kept.job
            keep(batch, [change])
            return change.kept.job

        return await self.writer.run(apply)

    async def events(self, job_id: str, *, after: int = 0, limit: int = 500) -> list[JobEvent]:
        values = {"job_id": checked_id(job_id, "job_id"), "after": after, "most": max(limit, 0)}

        def query(connection: Connection) -> list[JobEvent]:
            rows = connection.execute(EVENTS, values).mappings().all()
            if not rows:
                one_job(connection, job_id)
            return [event_from(row) for row in rows]

        return await self.database.read(query)

    async def queued_of(self, tenant: str) -> int:
        found = await self.database.read(lambda connection: connection.execute(QUEUED, {"tenant": tenant}).scalar())
        return found or 0

    async def counts(self) -> Mapping[JobState, int]:
        rows = await self.database.read(lambda connection: connection.execute(TOTALS).all())
        return {cast("JobState", row.state): row.jobs for row in rows}


def page_of(wanted: JobFilter) -> Select[Any]:
    """The query of one page. That what has ended has an end is said so that the index over those will do."""
    query = NEWEST.limit(max(wanted.limit, 0))
    for name in ("tenant", "state", "workflow"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(jobs.c[name] == checked_id(value, name))
    if wanted.state in END_STATES:
        query = query.where(jobs.c.ended_at.is_not(None))
    if wanted.before_position is not None:
        query = query.where(jobs.c.position < wanted.before_position)
    return query
