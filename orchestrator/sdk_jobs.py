"""The embedded orchestrator's verbs of durable jobs; the first of them starts this process's worker."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Unpack

from orchestrator.workflow import Workflow

if TYPE_CHECKING:
    from orchestrator.jobs.request import JobOptions, JobPage, JobRequest, JobResult
    from orchestrator.service import Service
    from storage.job_records import Job, JobEvent, JobState


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

        request = JobRequest(workflow=workflow, input=input or {}, **options)
        _start(self.service, [request])
        return await self.service.jobs.submit(request)

    async def submit_many(self: HasService, requests: Sequence[JobRequest]) -> list[Job]:
        """All of them or none, in one transaction."""
        _start(self.service, requests)
        return await self.service.jobs.submit_many(requests)

    async def jobs(
        self: HasService,
        *,
        state: JobState | None = None,
        workflow: str | None = None,
        cursor: int | None = None,
        limit: int = 50,
    ) -> JobPage:
        """A page, newest first; `cursor` takes the `next_cursor` of the page before."""
        from orchestrator.jobs.request import JobPage
        from storage.job_records import JobFilter

        wanted = JobFilter(state=state, workflow=workflow, before_position=cursor, limit=limit)
        return JobPage.of(await self.service.jobs.find(wanted), limit=limit)

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
        """What it answered. Raises JobUnfinished, JobCancelled, or the error that it failed with."""
        return await self.service.jobs.result(job_id)

    def events(self: HasService, job_id: str, *, after: int = 0) -> AsyncGenerator[JobEvent, None]:
        """What happened after that event, then what happens, until the job has ended."""
        self.service.worker.start()
        return self.service.jobs.events(job_id, after=after)


def _start(service: Service, requests: Sequence[JobRequest]) -> None:
    """Webhooks are sent from here only where somebody wants any: for them one must look every two seconds."""
    service.worker.start()
    if any(request.webhook_url for request in requests):
        service.webhooks.sender.start()
