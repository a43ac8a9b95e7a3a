"""Durable jobs over HTTP: submit, look, follow, cancel, and fetch what came of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Annotated, Any, Literal

import anyio
import orjson
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import EventSourceResponse

from orchestrator.job_views import event_view, job_view, result_view
from orchestrator.jobs.jobs import Jobs, Submitted
from orchestrator.jobs.request import JobPage, JobRequest
from orchestrator.rest.errors import body_of
from orchestrator.rest.followed import Event, followed
from orchestrator.rest.identity_of import admission_of, identity_of
from orchestrator.rest.inspect import service_of
from orchestrator.rest.moments import Moment
from orchestrator.rest.schemas import Body, RunBudget
from storage.errors import InvalidInput, ServiceError
from storage.job_records import HIGHEST_PRIORITY, LOWEST_PRIORITY, JobEvent, JobFilter, JobState

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

MOST_IN_BATCH = 1000
LONGEST_KEY = 200  # characters of an Idempotency-Key; a batch adds each job's place to it
PING_SECONDS = 15
FAREWELL_SECONDS = 2.0  # that a stream gets for its last event when the server shuts down
MADE_BEFORE: dict[int | str, dict[str, Any]] = {200: {"description": "Made before, under this Idempotency-Key."}}
LAST_NUMBER = 2**63 - 1  # what a database can count to
ENDED_STATUS = 409  # of a result that is none: the request was right, and asking again will not help

IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=LONGEST_KEY)]


class JobBody(Body):
    """One job: the name of a workflow, or its definition, and a text for each of its inputs."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"workflow": "ask", "input": {"text": "What is 17% of 2340?"}}]},
    )

    workflow: Annotated[str, Field(max_length=200)] | dict[str, Any] = "ask"
    input: dict[str, Any] = Field(default_factory=dict, max_length=64)
    budget: RunBudget | None = None
    deadline: Moment | None = None
    not_before: Moment | None = None
    priority: int = Field(default=0, ge=LOWEST_PRIORITY, le=HIGHEST_PRIORITY)
    metadata: dict[str, str] = Field(default_factory=dict, max_length=16)
    webhook_url: str | None = Field(default=None, max_length=2048)

    def request(self, key: str | None) -> JobRequest:
        return JobRequest(
            workflow=self.workflow,
            input=self.input,
            limits=None if self.budget is None else self.budget.model_dump(exclude_none=True),
            deadline=self.deadline,
            not_before=self.not_before,
            priority=self.priority,
            metadata=self.metadata,
            webhook_url=self.webhook_url,
            idempotency_key=key,
        )


class JobBatch(Body):
    """Up to 1000 jobs, of which all are taken or none."""

    jobs: list[JobBody] = Field(min_length=1, max_length=MOST_IN_BATCH)


class JobQuery(BaseModel):
    """Filters on an allow-list; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid")

    state: JobState | None = None
    workflow: str | None = Field(default=None, max_length=200)
    cursor: int | None = Field(default=None, ge=0, le=LAST_NUMBER)
    limit: int = Field(default=50, ge=1, le=500)


class EventQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    after: int = Field(default=0, ge=0, le=LAST_NUMBER)


def jobs_of(request: Request) -> Jobs:
    jobs: Jobs = service_of(request).jobs
    return jobs


@router.post("", status_code=201, responses=MADE_BEFORE)
async def submit_job(body: JobBody, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """The job, as it is stored; 200 where the Idempotency-Key and the same body made it before."""
    submitted = await jobs_of(request).submitted(body.request(idempotency_key), identity_of(request))
    return answer_of(submitted)


@router.post("/batch", status_code=201, responses=MADE_BEFORE)
async def submit_jobs(body: JobBatch, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """All of them or none, in order; with an Idempotency-Key, the same batch again gives the same jobs."""
    keys = [None if idempotency_key is None else f"{idempotency_key}/{place}" for place in range(len(body.jobs))]
    requests = [job.request(key) for job, key in zip(body.jobs, keys, strict=True)]
    submitted = await jobs_of(request).all_submitted(requests, identity_of(request))
    return JSONResponse({"jobs": [job_view(each.job) for each in submitted]}, _status(submitted))


@router.get("")
async def list_jobs(request: Request, query: Annotated[JobQuery, Query()]) -> dict[str, Any]:
    """Newest first; `cursor` takes the `next_cursor` of the page before."""
    wanted = JobFilter(state=query.state, workflow=query.workflow, before_position=query.cursor, limit=query.limit)
    page = JobPage.of(await jobs_of(request).find(wanted, identity_of(request)), limit=query.limit)
    return {"jobs": [job_view(job) for job in page.jobs], "next_cursor": page.next_cursor}


@router.get("/{job_id}")
async def get_job(job_id: str, request: Request) -> dict[str, Any]:
    """Where it stands."""
    return job_view(await jobs_of(request).get(job_id, identity_of(request)))


@router.post("/{job_id}/cancel")
async def cancel_job(job_id: str, request: Request) -> dict[str, Any]:
    """A queued job never runs, a running one stops within seconds; one that has ended stays as it is."""
    return job_view(await jobs_of(request).cancel(job_id, identity_of(request)))


@router.get("/{job_id}/result")
async def get_result(job_id: str, request: Request) -> Response:
    """What each step answered. 409 while the job has not ended, and, with the job's own error, where it failed."""
    jobs, identity = jobs_of(request), identity_of(request)
    job = await jobs.get(job_id, identity)
    try:
        return JSONResponse(result_view(await jobs.result(job_id, identity)))
    except ServiceError as error:
        if job.state != "failed":
            raise
        error.is_retryable = False
        return JSONResponse(body_of(error), ENDED_STATUS)


@router.get("/{job_id}/events")
async def follow_job(
    job_id: str,
    request: Request,
    query: Annotated[EventQuery, Query()],
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> Response:
    """Server-sent events until the job has ended; each one's id is what `Last-Event-ID` or `after` resumes at.

    Where the key is revoked meanwhile, or the server stops, the stream ends with an event `error`.
    204 where it has ended and nothing came after that: there is nothing to reconnect for.
    """
    jobs, identity = jobs_of(request), identity_of(request)
    after = max(query.after, _number(last_event_id))
    job = await jobs.get(job_id, identity)
    if job.has_ended and not await service_of(request).stores.jobs.events(job_id, after=after, limit=1):
        return Response(status_code=204)
    shutdown = anyio.Event()
    return EventSourceResponse(
        _events(jobs, job_id, after, request, is_stopping=shutdown.wait),
        ping=PING_SECONDS,
        headers={"cache-control": "no-store"},
        shutdown_event=shutdown,
        shutdown_grace_period=FAREWELL_SECONDS,
    )


async def _events(
    jobs: Jobs, job_id: str, after: int, request: Request, *, is_stopping: Callable[[], Awaitable[object]]
) -> AsyncGenerator[Event, None]:
    async with (
        aclosing(jobs.events(job_id, after=after, identity=identity_of(request))) as events,
        aclosing(_sent(events)) as messages,
        aclosing(followed(messages, admitted=admission_of(request), is_stopping=is_stopping)) as following,
    ):
        async for message in following:
            yield message


async def _sent(events: AsyncGenerator[JobEvent, None]) -> AsyncGenerator[Event, None]:
    async for event in events:
        yield {"id": str(event.seq), "event": event.kind, "data": orjson.dumps(event_view(event)).decode()}


def _number(text: str | None) -> int:
    """Of a Last-Event-ID. Raises InvalidInput for one that we never sent."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()) or int(text) > LAST_NUMBER:
        raise InvalidInput(f"Last-Event-ID is {text!r}; it must be the id of an event.", field="last-event-id")
    return int(text)


def answer_of(submitted: Submitted) -> JSONResponse:
    """To whoever submitted one job."""
    location = {"location": f"{router.prefix}/{submitted.job.id}"}
    return JSONResponse(job_view(submitted.job), _status([submitted]), headers=location)


def _status(submitted: list[Submitted]) -> Literal[200, 201]:
    return 201 if any(each.is_new for each in submitted) else 200
