"""The embedded orchestrator's verbs of durable jobs; the first of them starts this process's worker."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, Unpack

from orchestrator.workflow import Workflow

if TYPE_CHECKING:
    from orchestrator.jobs.request import JobOptions, JobResult
    from orchestrator.service import Service
    from storage.job_records import Job, JobEvent


class HasService(Protocol):
    """What the verbs stand on."""

    @property
    def service(self) -> Service: ...


class EmbeddedJobs:
    """Submit, look, follow, cancel, wait, and fetch the result: the same words as the client's.

    Jobs that are not done when the orchestrator is closed go on when one over the same store works again.
    """

    async def submit(
        self: HasService,
        workflow: str | Mapping[str, Any] | Workflow = "ask",
        input: Mapping[str, Any] | None = None,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Returns once the job is stored. The same idempotency key and request again give the same job."""
        from orchestrator.jobs.request import JobRequest

        self.service.worker.start()
        return await self.service.jobs.submit(JobRequest(workflow=workflow, input=input or {}, **options))

    async def job(self: HasService, job_id: str) -> Job:
        """Where it stands. Raises RecordNotFound."""
        self.service.worker.start()
        return await self.service.jobs.get(job_id)

    async def cancel(self: HasService, job_id: str) -> Job:
        """A queued job never runs, a running one stops within seconds; one that has ended stays as it is."""
        return await self.service.jobs.cancel(job_id)

    async def wait(self: HasService, job_id: str, *, timeout_seconds: float | None = None) -> Job:
        """The job once it has ended; or as it is when that time is over."""
        self.service.worker.start()
        return await self.service.jobs.wait(job_id, timeout_seconds=timeout_seconds)

    async def result(self: HasService, job_id: str) -> JobResult:
        """What it answered. Raises the error that it ended with, and another for a job that has not ended."""
        return await self.service.jobs.result(job_id)

    def events(self: HasService, job_id: str, *, after: int = 0) -> AsyncGenerator[JobEvent, None]:
        """What happened after that event, then what happens, until the job has ended."""
        self.service.worker.start()
        return self.service.jobs.events(job_id, after=after)
