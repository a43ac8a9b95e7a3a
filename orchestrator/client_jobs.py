"""The client's verbs of durable jobs, over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import datetime
from decimal import Decimal
from typing import Any, Unpack
from urllib.parse import quote, urlencode

import httpx
from httpx_sse import aconnect_sse

from orchestrator.client_wire import CONNECT_SECONDS, ClientWire, error_of_body, error_of_response
from orchestrator.errors import Overloaded, RateLimited, ServerUnreachable
from orchestrator.jobs.request import JobOptions, JobPage, JobRequest, JobResult
from orchestrator.workflow import Workflow
from storage.budget_records import RESOURCES, BudgetLimits
from storage.errors import InvalidInput, ServiceError, StorageUnavailable
from storage.job_records import END_STATES, Job, JobEvent, JobState

PATIENCE = httpx.Timeout(45.0, connect=CONNECT_SECONDS)  # for the next byte: three pings did not come
NOTHING_MORE = 204
PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0)  # between tries to connect again; then it is given up
PASSING = (RateLimited, Overloaded, StorageUnavailable)  # errors of a server that will be well again


class JobVerbs(ClientWire):
    """Submit, look, follow, cancel, wait, and fetch the result."""

    async def submit(
        self,
        workflow: str | Mapping[str, Any] | Workflow = "ask",
        input: Mapping[str, Any] | None = None,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Returns once the job is stored. The same idempotency key and request again give the same job."""
        request = JobRequest(workflow=workflow, input=input or {}, **options)
        headers = {"idempotency-key": request.idempotency_key} if request.idempotency_key else {}
        return job_of(await self._send("POST", "/v1/jobs", body_of(request), headers=headers))

    async def submit_many(self, requests: Sequence[JobRequest], *, idempotency_key: str | None = None) -> list[Job]:
        """All of them (1000 at most) or none; with a key for the whole, the same again gives the same jobs."""
        if any(request.idempotency_key for request in requests):
            raise InvalidInput("One key stands for the whole batch.", field="idempotency_key")
        headers = {"idempotency-key": idempotency_key} if idempotency_key else {}
        body = {"jobs": [body_of(request) for request in requests]}
        answer = await self._send("POST", "/v1/jobs/batch", body, headers=headers)
        return [job_of(view) for view in answer["jobs"]]

    async def job(self, job_id: str) -> Job:
        """Where it stands. Raises RecordNotFound."""
        return job_of(await self._send("GET", f"/v1/jobs/{quote(job_id, safe='')}"))

    async def jobs(
        self,
        *,
        state: JobState | None = None,
        workflow: str | None = None,
        cursor: int | None = None,
        limit: int = 50,
    ) -> JobPage:
        """A page, newest first; `cursor` takes the `next_cursor` of the page before."""
        wanted = {"state": state, "workflow": workflow, "cursor": cursor, "limit": limit}
        query = urlencode({name: value for name, value in wanted.items() if value is not None})
        answer = await self._send("GET", f"/v1/jobs?{query}")
        return JobPage(jobs=tuple(job_of(view) for view in answer["jobs"]), next_cursor=answer["next_cursor"])

    async def cancel(self, job_id: str) -> Job:
        """A queued job never runs, a running one stops within seconds; one that has ended stays as it is."""
        return job_of(await self._send("POST", f"/v1/jobs/{quote(job_id, safe='')}/cancel"))

    async def result(self, job_id: str) -> JobResult:
        """What it answered. Raises JobUnfinished, JobCancelled, or the error that it failed with."""
        answer = await self._send("GET", f"/v1/jobs/{quote(job_id, safe='')}/result")
        return JobResult(**{**answer, "cost_usd": Decimal(answer["cost_usd"])})

    async def events(self, job_id: str, *, after: int = 0) -> AsyncGenerator[JobEvent, None]:
        """What happened after that event, then what happens, until the job has ended.

        A stream that breaks off is taken up again where it was, without loss or doubling. Raises ServerUnreachable when
        the server stays away for long, RecordNotFound, and NotAuthenticated for a key that was revoked meanwhile.
        """
        failures = 0
        while True:
            trouble: ServiceError = ServerUnreachable("The server's stream of events ended before the job did.")
            try:
                async with aclosing(self._stream(job_id, after)) as events:
                    async for event in events:
                        if event is None:
                            return
                        yield event
                        after, failures = event.seq, 0
                        if event.kind in END_STATES:
                            return
            except httpx.TransportError as exc:
                trouble = self._unreachable(exc)
            except PASSING as exc:
                trouble = exc
            if failures == len(PAUSES_SECONDS):
                raise trouble
            await asyncio.sleep(max(PAUSES_SECONDS[failures], trouble.retry_after_seconds or 0.0))
            failures += 1

    async def wait(self, job_id: str, *, timeout_seconds: float | None = None) -> Job:
        """The job once it has ended; or as it is when that time is over. Raises as `events`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds), aclosing(self.events(job_id)) as events:
                async for _ in events:
                    pass
        return await self.job(job_id)

    async def _stream(self, job_id: str, after: int) -> AsyncGenerator[JobEvent | None, None]:
        """The events of one connection; None when the server says that there is nothing more to come, ever."""
        headers = {"last-event-id": str(after)} if after else {}
        async with aconnect_sse(
            self._http, "GET", f"/v1/jobs/{quote(job_id, safe='')}/events", headers=headers, timeout=PATIENCE
        ) as source:
            if source.response.is_error:
                await source.response.aread()
                raise error_of_response(source.response)
            if source.response.status_code == NOTHING_MORE:
                yield None
                return
            async for sent in source.aiter_sse():
                if sent.event == "error":
                    raise error_of_body(json.loads(sent.data)["error"])
                if sent.data:
                    yield event_of(json.loads(sent.data))


def body_of(request: JobRequest) -> dict[str, Any]:
    """The request as the server's route takes it; its idempotency key goes into a header."""
    limits = request.limits
    budget = {name: getattr(limits, name) for name in RESOURCES} if isinstance(limits, BudgetLimits) else limits
    workflow = request.workflow
    return {
        "workflow": workflow.definition() if isinstance(workflow, Workflow) else workflow,
        "input": dict(request.input),
        "budget": None if budget is None else {k: float(v) for k, v in budget.items() if v is not None},
        "deadline": request.deadline and request.deadline.isoformat(),
        "not_before": request.not_before and request.not_before.isoformat(),
        "priority": request.priority,
        "metadata": dict(request.metadata),
        "webhook_url": request.webhook_url,
    }


def job_of(view: Mapping[str, Any]) -> Job:
    """The job as the server tells of it; its texts, its lease and its place stay on the server."""
    error = view["error"] or {}
    return Job(
        id=view["id"],
        run_id=view["run_id"],
        workflow=view["workflow"],
        payload_id="",
        payload_digest="",
        tenant=view["tenant"],
        principal=view["principal"],
        account_id=view["account_id"],
        limits=BudgetLimits.of(view["budget"]),
        priority=view["priority"],
        deadline=_moment(view["deadline"]),
        not_before=_moment(view["not_before"]),
        metadata=view["metadata"],
        webhook_url=view["webhook_url"],
        idempotency_key=view["idempotency_key"],
        state=view["state"],
        fence=view["claims"],
        is_cancel_requested=view["is_cancel_requested"],
        created_at=datetime.fromisoformat(view["created_at"]),
        started_at=_moment(view["started_at"]),
        ended_at=_moment(view["ended_at"]),
        error_code=error.get("code"),
        error_message=error.get("message"),
    )


def event_of(view: Mapping[str, Any]) -> JobEvent:
    return JobEvent(**{**view, "at": datetime.fromisoformat(view["at"])})


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
