"""Durable jobs in dictionaries: the double for tests, with every promise of the databases but durability."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import get_args

from storage.canonical import checked_id, iso
from storage.errors import RecordNotFound
from storage.job_forms import event_from, event_row, job_row, kept_from
from storage.job_moves import (
    Change,
    Kept,
    beat_of,
    cancelled,
    checked_job,
    checked_lease,
    claimed,
    end_of_doomed,
    ended,
    ensure_same_request,
    is_good,
    is_same_end,
    lease_lost,
    noted,
    released,
    submitted,
)
from storage.job_records import Beat, Fence, Job, JobEnd, JobEvent, JobFilter, JobState
from storage.memory_deliveries import keep_delivery
from storage.memory_log import MemoryStore
from storage.records import Payload, utc_now
from storage.webhook_records import Delivery
from storage.writing import already_written, staged


class MemoryJobStore(MemoryStore):
    """Keeps rows, as the databases do, so that nothing is given back that they would not give back."""

    async def submit(self, jobs: Sequence[tuple[Job, Payload]]) -> list[Job]:
        self.log.ensure_open()
        writes = [checked_job(job, payload) for job, payload in jobs]
        changes: dict[str, Change] = {}
        keys: dict[tuple[str, str], Job] = {}
        ids = []
        for job, _ in jobs:
            known = keys.get((job.tenant, job.idempotency_key or "")) or self._of_key(job)
            if known is not None:
                ensure_same_request(job, known)
                ids.append(known.id)
                continue
            if job.id in self.log.jobs or job.id in changes:
                raise already_written(job.id)
            change = submitted(job, position=len(self.log.jobs) + len(changes) + 1)
            changes[job.id] = change
            if job.idempotency_key is not None:
                keys[job.tenant, job.idempotency_key] = job
            ids.append(job.id)
        rows = [job_row(change.kept) for change in changes.values()]
        for write in writes:
            self.log.ensure_free_payloads(write)
        for (job, _), write in zip(jobs, writes, strict=True):
            if job.id in changes:
                self.log.payloads.update(write.payloads)
        for row in rows:
            self.log.jobs[row["id"]] = row
        for change in changes.values():
            self._keep(change)
        return [self._kept(job_id).job for job_id in ids]

    async def get(self, job_id: str) -> Job:
        return self._kept(checked_id(job_id, "job_id")).job

    async def find(self, wanted: JobFilter) -> list[Job]:
        found = [
            kept_from(row).job
            for row in reversed(self.log.jobs.values())
            if wanted.tenant in (None, row["tenant"])
            and wanted.state in (None, row["state"])
            and wanted.workflow in (None, row["workflow"])
            and (wanted.before_position is None or row["position"] < wanted.before_position)
        ]
        return found[: max(wanted.limit, 0)]

    async def claim(self, worker: str, *, most: int, lease_seconds: float, now: datetime) -> list[Job]:
        self.log.ensure_open()
        checked_id(worker, "worker")
        iso(now, field="now")
        waiting = [kept for kept in map(kept_from, list(self.log.jobs.values())) if _is_free(kept.job, now)]
        doomed = [kept for kept in waiting if end_of_doomed(kept.job, now) is not None]
        free = [kept for kept in waiting if kept not in doomed and (kept.job.not_before or now) <= now]
        free.sort(key=lambda kept: (-kept.job.priority, kept.job.position))
        until = now + checked_lease(lease_seconds)
        for kept in doomed:
            self._keep(claimed(kept, worker, lease_expires_at=until, now=now))
        changes = [claimed(kept, worker, lease_expires_at=until, now=now) for kept in free[: max(most, 0)]]
        for change in changes:
            self._keep(change)
        return [change.kept.job for change in changes]

    async def beat(self, fences: Sequence[Fence], *, lease_seconds: float, now: datetime) -> dict[str, Beat]:
        self.log.ensure_open()
        until = iso(now + checked_lease(lease_seconds), field="now")
        beats: dict[str, Beat] = {}
        for fence in fences:
            row = self.log.jobs.get(fence.job_id)
            beats[fence.job_id] = beat_of(fence, None if row is None else kept_from(row).job)
            if row is not None and beats[fence.job_id] != "lost":
                row["lease_expires_at"] = until
        return beats

    async def note(self, fence: Fence, *events: JobEvent) -> list[JobEvent]:
        change = noted(self._fenced(fence), events)
        self._keep(change)
        return list(change.events)

    async def finish(self, fence: Fence, end: JobEnd, *, deliveries: Sequence[Delivery] = ()) -> Job:
        self.log.ensure_open()
        write = staged(() if end.result is None else (end.result,))
        row = self.log.jobs.get(fence.job_id)
        if row is not None and is_same_end(kept_from(row).job, fence, end):
            return kept_from(row).job
        change = ended(self._fenced(fence), end, at=utc_now(), deliveries=deliveries)
        self.log.ensure_free_payloads(write)
        self.log.payloads.update(write.payloads)
        self._keep(change)
        return change.kept.job

    async def release(self, fence: Fence) -> None:
        self._keep(released(self._fenced(fence), at=utc_now()))

    async def cancel(self, job_id: str) -> Job:
        self.log.ensure_open()
        change = cancelled(self._kept(checked_id(job_id, "job_id")), at=utc_now())
        if change is not None:
            self._keep(change)
        return self._kept(job_id).job

    async def events(self, job_id: str, *, after: int = 0, limit: int = 500) -> list[JobEvent]:
        rows = self.log.job_events.get(self._kept(checked_id(job_id, "job_id")).job.id, [])
        return [event_from(row) for row in rows[max(after, 0) :][: max(limit, 0)]]

    async def queued_of(self, tenant: str) -> int:
        return sum((row["tenant"], row["state"]) == (tenant, "queued") for row in self.log.jobs.values())

    async def counts(self) -> Mapping[JobState, int]:
        found = Counter(row["state"] for row in self.log.jobs.values())
        return {state: found[state] for state in get_args(JobState)}

    def _of_key(self, job: Job) -> Job | None:
        if job.idempotency_key is None:
            return None
        key = job.tenant, job.idempotency_key
        rows = (row for row in self.log.jobs.values() if (row["tenant"], row["idempotency_key"]) == key)
        return next((kept_from(row).job for row in rows), None)

    def _kept(self, job_id: str) -> Kept:
        row = self.log.jobs.get(job_id)
        if row is None:
            raise RecordNotFound(f"No job {job_id!r}.")
        return kept_from(row)

    def _fenced(self, fence: Fence) -> Kept:
        self.log.ensure_open()
        row = self.log.jobs.get(fence.job_id)
        kept = None if row is None else kept_from(row)
        if kept is None or not is_good(fence, kept.job):
            raise lease_lost(fence)
        return kept

    def _keep(self, change: Change) -> None:
        """What a transaction does: row, events, log entries and messages."""
        job_id = change.kept.job.id
        rows = [event_row(event) for event in change.events]
        self.log.jobs[job_id] = job_row(change.kept)
        self.log.job_events.setdefault(job_id, []).extend(rows)
        for entry in change.entries:
            self.log.append(entry)
        for delivery in change.deliveries:
            keep_delivery(self.log, delivery)


def _is_free(job: Job, now: datetime) -> bool:
    """Whether no worker has it: it waits, or its lease has run out."""
    if job.state == "running":
        return job.lease_expires_at is not None and job.lease_expires_at <= now
    return job.state == "queued"
