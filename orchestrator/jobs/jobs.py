"""The use cases of durable jobs: submit, look, follow, cancel, wait; whoever runs them is elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import orjson

from orchestrator.errors import JobCancelled, JobUnfinished, Overloaded, error_of
from orchestrator.identity import LOCAL, Identity
from orchestrator.jobs.bell import CANCELS, WORK, Bell, end_of
from orchestrator.jobs.request import JobRequest, JobResult
from orchestrator.jobs.submission import Submissions
from storage.errors import InvalidInput, RecordNotFound
from storage.job_records import END_STATES, Job, JobEvent, JobFilter, JobState
from storage.records import Payload
from storage.stores import Stores

POLL_SECONDS = 1.0  # how often somebody who waits looks for what other processes did
RETRY_AFTER_SECONDS = 5.0  # what a caller is told who comes while too many jobs are queued
COUNT_SECONDS = 0.25  # how old the count of queued jobs may be


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """A job as it is stored, and whether this submission made it, or an earlier one with the same idempotency key."""

    job: Job
    is_new: bool


@dataclass(kw_only=True)
class Jobs:
    """What callers may do with jobs. Each sees the jobs of its own tenant; others' are as if they were not there."""

    stores: Stores
    submissions: Submissions
    bell: Bell = field(default_factory=Bell)
    most_queued: int = 10_000
    most_queued_of_tenant: int = 5_000
    poll_seconds: float = POLL_SECONDS
    ended: Callable[[Job], None] = lambda job: None  # hears of queued jobs that were cancelled here
    clock: Callable[[], float] = time.monotonic
    queued: tuple[float, int] | None = None  # when they were counted, and how many

    async def submit(self, request: JobRequest, identity: Identity = LOCAL) -> Job:
        """Returns once the job is committed. The same idempotency key and request again give the same job.

        Raises InvalidInput, naming the field; IdempotencyConflict; Overloaded while too many jobs are queued.
        """
        return (await self.submitted(request, identity)).job

    async def submit_many(self, requests: Sequence[JobRequest], identity: Identity = LOCAL) -> list[Job]:
        """All or none, in one transaction. Raises as `submit`."""
        return [each.job for each in await self.all_submitted(requests, identity)]

    async def submitted(self, request: JobRequest, identity: Identity = LOCAL) -> Submitted:
        """As `submit`, and says whether it is new."""
        [submitted] = await self.stored([self.submissions.made(request, identity)])
        return submitted

    async def all_submitted(self, requests: Sequence[JobRequest], identity: Identity = LOCAL) -> list[Submitted]:
        """As `submit_many`, and says which of them are new."""
        if not requests:
            raise InvalidInput("No jobs are given.", field="jobs", hint="Send at least one.")
        return await self.stored(
            [self.submissions.made(request, identity, index=place) for place, request in enumerate(requests)]
        )

    async def get(self, job_id: str, identity: Identity = LOCAL) -> Job:
        """Raises RecordNotFound."""
        job = await self.stores.jobs.get(job_id)
        identity.require_own(job.tenant, f"job {job_id!r}")
        return job

    async def find(self, wanted: JobFilter, identity: Identity = LOCAL) -> list[Job]:
        """Newest first; of its own tenant alone, where the identity sees no other."""
        if identity.sees is not None:
            if wanted.tenant not in (None, identity.sees):
                return []
            wanted = replace(wanted, tenant=identity.sees)
        return await self.stores.jobs.find(wanted)

    async def counts(self) -> Mapping[JobState, int]:
        """Jobs by state, of all tenants: for operators and metrics."""
        return await self.stores.jobs.counts()

    async def cancel(self, job_id: str, identity: Identity = LOCAL) -> Job:
        """A queued job is cancelled for good, a running one stops within seconds. Raises RecordNotFound."""
        await self.get(job_id, identity)
        job = await self.stores.jobs.cancel(job_id)
        self.bell.ring(CANCELS)
        self.bell.ring(job_id, end_of(job_id))
        if job.has_ended:
            self.ended(job)
        return job

    async def events(
        self, job_id: str, *, after: int = 0, identity: Identity = LOCAL
    ) -> AsyncGenerator[JobEvent, None]:
        """What happened after that event, then what happens, until the job has ended. Raises RecordNotFound."""
        had_ended = (await self.get(job_id, identity)).has_ended
        while True:
            with self.bell.listening(job_id) as heard:  # before the look, so that nothing falls between
                events = await self.stores.jobs.events(job_id, after=after)
                if not events:
                    if had_ended:
                        return
                    await heard(self.poll_seconds)
            for event in events:
                yield event
                after = event.seq
                if event.kind in END_STATES:
                    return

    async def wait(self, job_id: str, *, timeout_seconds: float | None = None, identity: Identity = LOCAL) -> Job:
        """The job once it has ended; or as it is when that time is over. Raises RecordNotFound."""
        until = None if timeout_seconds is None else self.clock() + timeout_seconds
        while True:
            with self.bell.listening(end_of(job_id)) as heard:
                job = await self.get(job_id, identity)
                left = self.poll_seconds if until is None else min(self.poll_seconds, until - self.clock())
                if job.has_ended or left <= 0:
                    return job
                await heard(left)

    async def result(self, job_id: str, identity: Identity = LOCAL) -> JobResult:
        """What it answered. Raises JobUnfinished, JobCancelled, or the error that it failed with."""
        return await result_of(self.stores, await self.get(job_id, identity))

    async def stored(self, made: Sequence[tuple[Job, Payload]]) -> list[Submitted]:
        """Of jobs that were checked: all or none. Raises IdempotencyConflict, Overloaded."""
        await self._require_room(len(made))
        await self._require_share(Counter(job.tenant for job, _ in made))
        jobs = await self.stores.jobs.submit(made)
        if self.queued is not None:
            self.queued = (self.queued[0], self.queued[1] + len(jobs))
        self.bell.ring(WORK)
        return [Submitted(job=job, is_new=job.id == ours.id) for job, (ours, _) in zip(jobs, made, strict=True)]

    async def _require_room(self, more: int) -> None:
        """Raises Overloaded. The count may be some moments old: it bounds memory and disk, and is no exact quota."""
        now = self.clock()
        if self.queued is None or now - self.queued[0] > COUNT_SECONDS:
            self.queued = (now, (await self.stores.jobs.counts()).get("queued", 0))
        if self.queued[1] + more > self.most_queued:
            error = Overloaded(f"{self.queued[1]} jobs are queued; at most {self.most_queued} may be.")
            error.retry_after_seconds = RETRY_AFTER_SECONDS
            raise error

    async def _require_share(self, tenant_to_more: Mapping[str, int]) -> None:
        """Raises Overloaded for a tenant whose jobs would leave the others too little room."""
        for tenant, more in tenant_to_more.items():
            queued = await self.stores.jobs.queued_of(tenant)
            if queued + more > self.most_queued_of_tenant:
                error = Overloaded(
                    f"{queued} jobs of tenant {tenant!r} are queued; at most {self.most_queued_of_tenant} may be.",
                    hint="Wait until some have ended, or cancel those that are not needed any more.",
                )
                error.retry_after_seconds = RETRY_AFTER_SECONDS
                raise error


async def result_of(stores: Stores, job: Job) -> JobResult:
    """What it answered. Raises JobUnfinished, JobCancelled, or the error that it failed with."""
    if not job.has_ended:
        raise JobUnfinished.of(job)
    if job.state == "cancelled":
        raise JobCancelled(f"Job {job.id!r} was cancelled.")
    if job.state != "succeeded" or job.result_payload_id is None:
        raise error_of(job.error_code, job.error_message or f"Job {job.id!r} {job.state}.")
    payload = await stores.payloads.get(job.result_payload_id)
    if payload.text is None:
        raise RecordNotFound(f"The texts of job {job.id!r} were erased.")
    told = orjson.loads(payload.text)
    return JobResult(
        job_id=job.id,
        run_id=job.run_id,
        answers=told["answers"],
        answer=told["answer"],
        cost_usd=Decimal(told["cost_usd"]),
    )
