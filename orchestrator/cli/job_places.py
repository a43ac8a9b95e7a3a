"""Where `antroute jobs` finds the jobs: in a store of this machine, or on a server; the same verbs for both."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast, get_args

from orchestrator.jobs.request import JobPage, JobRequest, JobResult
from orchestrator.terminal import opened, opened_stores
from storage.errors import InvalidInput
from storage.job_records import Job, JobEvent, JobFilter, JobState

if TYPE_CHECKING:
    from orchestrator.client import Client
    from orchestrator.sdk import Orchestrator
    from storage.stores import Stores


@dataclass(frozen=True, kw_only=True)
class Place:
    """A server's URL, or else a store's; None: the settings' store."""

    url: str | None = None
    key: str | None = None
    store: str | None = None

    def hint(self, command: str, job_id: str) -> str:
        """A command over the same place; the key is not repeated."""
        where = f" --url {self.url}" if self.url else f" --store {self.store}" if self.store else ""
        return f"antroute {command} {job_id}{where}"


def place_of(url: str | None, key: str | None, key_file: Path | None, store: str | None) -> Place:
    """Raises InvalidInput for options that do not go together."""
    if url is None and (key is not None or key_file is not None):
        raise InvalidInput("A key is for a server.", field="key", hint="Name the server: --url URL.")
    if url is not None and store is not None:
        raise InvalidInput("Give either --url or --store.", field="url")
    if key is not None and key_file is not None:
        raise InvalidInput("Give either --key or --key-file.", field="key")
    if key_file is not None:
        try:
            key = key_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise InvalidInput(f"File {str(key_file)!r} cannot be read: {exc}.", field="key_file") from exc
    return Place(url=url, key=key, store=store)


def checked_state(text: str | None) -> JobState | None:
    """Raises InvalidInput."""
    known = get_args(JobState)
    if text is not None and text not in known:
        raise InvalidInput(f"No state {text!r}; known: {', '.join(known)}.", field="state")
    return cast("JobState | None", text)


class Looking(Protocol):
    """What a store alone, without a service, can do."""

    async def job(self, job_id: str) -> Job: ...

    async def jobs(
        self, *, state: JobState | None, workflow: str | None, cursor: int | None, limit: int
    ) -> JobPage: ...

    async def cancel(self, job_id: str) -> Job: ...

    async def result(self, job_id: str) -> JobResult: ...


class Working(Protocol):
    """What a whole service can do."""

    async def submitted(self, request: JobRequest) -> Job: ...

    def events(self, job_id: str, *, after: int = 0) -> AsyncGenerator[JobEvent, None]: ...

    async def job(self, job_id: str) -> Job: ...

    async def result(self, job_id: str) -> JobResult: ...


@asynccontextmanager
async def looking(place: Place) -> AsyncGenerator[Looking, None]:
    if place.url is None:
        async with opened_stores(place.store) as stores:
            yield InStore(stores)
    else:
        async with _client(place) as client:
            yield client


@asynccontextmanager
async def working(place: Place) -> AsyncGenerator[Working, None]:
    if place.url is None:
        async with opened(store_url=place.store) as antroute:
            yield Here(antroute)
    else:
        async with _client(place) as client:
            yield OnServer(client)


class InStore:
    """Looks at jobs and stops them; whoever runs them hears of it."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def job(self, job_id: str) -> Job:
        return await self._stores.jobs.get(job_id)

    async def jobs(self, *, state: JobState | None, workflow: str | None, cursor: int | None, limit: int) -> JobPage:
        wanted = JobFilter(state=state, workflow=workflow, before_position=cursor, limit=limit)
        return JobPage.of(await self._stores.jobs.find(wanted), limit=limit)

    async def cancel(self, job_id: str) -> Job:
        return await self._stores.jobs.cancel(job_id)

    async def result(self, job_id: str) -> JobResult:
        from orchestrator.jobs.jobs import result_of

        return await result_of(self._stores, await self.job(job_id))


class Here:
    """The embedded orchestrator: whoever follows a job has this process run what is queued."""

    def __init__(self, antroute: Orchestrator) -> None:
        self._antroute = antroute

    async def submitted(self, request: JobRequest) -> Job:
        return await self._antroute.service.jobs.submit(request)

    def events(self, job_id: str, *, after: int = 0) -> AsyncGenerator[JobEvent, None]:
        return self._antroute.events(job_id, after=after)

    async def job(self, job_id: str) -> Job:
        return await self._antroute.service.jobs.get(job_id)

    async def result(self, job_id: str) -> JobResult:
        return await self._antroute.result(job_id)


class OnServer:
    """A server's jobs."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def submitted(self, request: JobRequest) -> Job:
        return await self._client.submit(
            request.workflow,
            request.input,
            limits=request.limits,
            deadline=request.deadline,
            priority=request.priority,
            metadata=request.metadata,
            webhook_url=request.webhook_url,
            idempotency_key=request.idempotency_key,
        )

    def events(self, job_id: str, *, after: int = 0) -> AsyncGenerator[JobEvent, None]:
        return self._client.events(job_id, after=after)

    async def job(self, job_id: str) -> Job:
        return await self._client.job(job_id)

    async def result(self, job_id: str) -> JobResult:
        return await self._client.result(job_id)


@asynccontextmanager
async def _client(place: Place) -> AsyncGenerator[Client, None]:
    from orchestrator.client import Client

    if place.url is None or not place.url.startswith(("http://", "https://")):
        raise InvalidInput(f"--url {place.url!r} is no http:// or https:// URL.", field="url")
    async with Client(place.url, key=place.key) as client:
        yield client
