"""Jobs: a list by state and workflow, and one job with its life, its events as they come and what came of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from orchestrator.jobs.request import JobPage, JobResult
from orchestrator.metrics import JOB_STATES
from orchestrator.rest.console.page import page
from orchestrator.rest.console.said import back, is_allowed, said_in
from orchestrator.rest.identity_of import identity_of
from orchestrator.rest.jobs import LAST_NUMBER, jobs_of
from orchestrator.rest.webhooks import webhooks_of
from storage.errors import RecordNotFound
from storage.job_records import Job, JobFilter, JobState

router = APIRouter(prefix="/console/jobs", include_in_schema=False)

JOBS_A_PAGE = 50
EVENTS_A_PAGE = 200
MOST_DELIVERIES = 20

Cursor = Annotated[int, Query(ge=0, le=LAST_NUMBER)]
Text = Annotated[str, Query(max_length=200)]


@router.get("")
async def list_jobs(
    request: Request, state: JobState | Literal[""] = "", workflow: Text = "", cursor: Cursor = 0
) -> HTMLResponse:
    """Newest first. How many there are of each state is told to whoever sees all tenants': that count is of all."""
    identity = identity_of(request)
    wanted = JobFilter(
        state=state or None, workflow=workflow or None, before_position=cursor or None, limit=JOBS_A_PAGE
    )
    found = JobPage.of(await jobs_of(request).find(wanted, identity), limit=JOBS_A_PAGE)
    counts = await jobs_of(request).counts() if identity.sees is None else {}
    values = {
        "jobs": found.jobs,
        "next_cursor": found.next_cursor,
        "cursor": cursor,
        "state": state,
        "workflow": workflow,
        "states": JOB_STATES,
        "counts": counts,
        "sees_all": identity.sees is None,
    }
    return page(request, "jobs.html", active="jobs", values=values)


@router.get("/{job_id}")
async def show_job(job_id: str, request: Request, after: Cursor = 0) -> HTMLResponse:
    """`after`: of its events, those after this one. Raises RecordNotFound, also for another tenant's."""
    identity = identity_of(request)
    job = await jobs_of(request).get(job_id, identity)
    result, problem = await _result(request, job)
    deliveries = []
    if job.webhook_url is not None:
        deliveries = await webhooks_of(request).find(identity, job_id=job_id, limit=MOST_DELIVERIES)
    values = {
        **await _events(request, job, after),
        "after": after,
        "result": result,
        "problem": problem,
        "deliveries": deliveries,
        "may_change": is_allowed(request, "writer"),
        "said": said_in(request),
    }
    return page(request, "job.html", active="jobs", values=values)


@router.get("/{job_id}/events")
async def follow_events(job_id: str, request: Request, after: Cursor = 0) -> Response:
    """The events since, as rows of the page's table; the whole page anew once the job has ended."""
    job = await jobs_of(request).get(job_id, identity_of(request))
    if job.has_ended:
        return Response(status_code=204, headers={"HX-Refresh": "true"})
    return page(request, "job_events.html", values=await _events(request, job, after))


@router.post("/{job_id}/cancel")
async def cancel_job(job_id: str, request: Request) -> RedirectResponse:
    """One that has ended stays as it is. Raises RecordNotFound."""
    job = await jobs_of(request).cancel(job_id, identity_of(request))
    return back(f"/console/jobs/{job.id}", "job_cancel")


@router.post("/{job_id}/deliveries/{delivery_id}/again")
async def deliver_again(job_id: str, delivery_id: str, request: Request) -> RedirectResponse:
    """Raises RecordNotFound."""
    delivery = await webhooks_of(request).redeliver(delivery_id, identity_of(request))
    return back(f"/console/jobs/{delivery.job_id}", "delivery_again")


async def _events(request: Request, job: Job, after: int) -> dict[str, Any]:
    """What the table of events needs: those on this page, whether there are more, whether to go on looking."""
    events = await jobs_of(request).stores.jobs.events(job.id, after=after, limit=EVENTS_A_PAGE)
    has_more = len(events) == EVENTS_A_PAGE
    return {
        "job": job,
        "events": events,
        "has_more": has_more,
        "is_followed": not job.has_ended and not has_more,
        "last_seq": events[-1].seq if events else after,
    }


async def _result(request: Request, job: Job) -> tuple[JobResult | None, str]:
    """What it answered; or why that cannot be shown, of one that succeeded."""
    if job.state != "succeeded":
        return None, ""
    try:
        return await jobs_of(request).result(job.id, identity_of(request)), ""
    except RecordNotFound as error:
        return None, str(error)
