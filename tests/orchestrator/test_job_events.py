"""Events of jobs over real connections: in order, resumable without loss or doubling, freed when nobody listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from httpx_sse import aconnect_sse

from orchestrator import client_jobs
from orchestrator.blocking import Blocking
from orchestrator.client import Client
from orchestrator.errors import JobCancelled, JobUnfinished, NotAuthenticated, ServerUnreachable
from orchestrator.jobs.request import JobRequest
from orchestrator.keys import authenticator
from orchestrator.rest import followed
from orchestrator.rest.app import make_app
from orchestrator.service import Service
from orchestrator.workflow import Workflow
from storage.errors import IdempotencyConflict, RecordNotFound
from storage.job_records import JobEvent
from tests.conftest import MakeService
from tests.orchestrator.doubles import GatedLLM, until
from tests.orchestrator.live_server import CuttingProxy, live
from tests.orchestrator.rest_keys import RULES, holder, keyring_of

LIFE = ["queued", "started", "step_started", "step_finished", "step_started", "step_finished", "succeeded"]


@pytest.fixture
async def service(make_service: MakeService) -> Service:
    return await make_service(server={"secret": "s" * 48})


@pytest.fixture
async def port(service: Service) -> AsyncIterator[int]:
    async with live(make_app(service)) as port:
        yield port


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_jobs, "PAUSES_SECONDS", (0.0, 0.01, 0.01))


def workflow() -> Workflow:
    return Workflow("two", inputs=["text"]).step("one", "France: {text}").step("two", "France again: {one}")


async def test_client_submits_follows_and_fetches(service: Service, port: int) -> None:
    service.worker.start()
    async with Client(f"http://127.0.0.1:{port}") as client:
        job = await client.submit(workflow(), {"text": "x"}, metadata={"a": "b"}, priority=2, limits={"usd": 0.01})
        assert (job.workflow, job.metadata, job.priority) == ("two", {"a": "b"}, 2)
        events = [event async for event in client.events(job.id)]
        assert [event.kind for event in events] == LIFE
        assert [event.seq for event in events] == [1, 2, 3, 4, 5, 6, 7]
        assert events == await service.stores.jobs.events(job.id)
        result = await client.result(job.id)
        assert result == await service.jobs.result(job.id)
        assert (await client.wait(job.id)).state == "succeeded"
        assert (await client.job(job.id)).ended_at is not None


async def test_events_are_resumed_after_a_number_by_query_or_by_header(service: Service, port: int) -> None:
    service.worker.start()
    job = await service.jobs.submit(JobRequest(workflow=workflow(), input={"text": "x"}))
    await service.jobs.wait(job.id, timeout_seconds=20)
    url = f"http://127.0.0.1:{port}/v1/jobs/{job.id}/events"

    async def heard(query: str, headers: dict[str, str]) -> list[tuple[str, str]]:
        async with httpx.AsyncClient() as http, aconnect_sse(http, "GET", url + query, headers=headers) as source:
            assert source.response.status_code == 200
            return [(event.id, event.event) async for event in source.aiter_sse()]

    assert await heard("", {}) == [(str(place + 1), kind) for place, kind in enumerate(LIFE)]
    assert [each for each, _ in await heard("?after=5", {})] == ["6", "7"]
    assert [each for each, _ in await heard("", {"last-event-id": "6"})] == ["7"]
    assert [each for each, _ in await heard("?after=2", {"last-event-id": "6"})] == ["7"]  # a browser sends both
    async with httpx.AsyncClient() as http:
        assert (await http.get(url + "?after=7")).status_code == 204
        assert (await http.get(url, headers={"last-event-id": "six"})).status_code == 422
        assert (await http.get(url + "?before=7")).status_code == 422


async def test_stream_that_is_cut_again_and_again_loses_and_doubles_nothing(service: Service, port: int) -> None:
    job = await service.jobs.submit(JobRequest(workflow=workflow(), input={"text": "x"}))
    got: list[JobEvent] = []
    async with CuttingProxy(port) as proxy, Client(f"http://127.0.0.1:{proxy.port}") as client:
        async for event in client.events(job.id):
            got.append(event)
            if event.kind == "queued":
                service.worker.start()
            proxy.cut()
        assert proxy.connections >= 3
    assert [event.seq for event in got] == list(range(1, 8))
    assert got == await service.stores.jobs.events(job.id)


async def test_event_that_comes_while_nobody_is_connected_is_not_lost(
    make_service: MakeService,
) -> None:
    llm = GatedLLM(["Paris"], before_gate=0)
    service = await make_service(server={"secret": "s" * 48}, small=llm, large=llm)
    service.worker.start()
    job = await service.jobs.submit(JobRequest(input={"text": "France?"}))
    async with (
        live(make_app(service)) as port,
        CuttingProxy(port) as proxy,
        Client(f"http://127.0.0.1:{proxy.port}") as client,
    ):
        kinds = []
        async for event in client.events(job.id):
            kinds.append(event.kind)
            if event.kind == "step_started":
                proxy.cut()
                llm.gate.set()
                await service.jobs.wait(job.id, timeout_seconds=20)
    assert kinds == ["queued", "started", "step_started", "step_finished", "succeeded"]


async def test_listener_who_leaves_frees_what_listened_for_him(service: Service, port: int) -> None:
    job = await service.jobs.submit(JobRequest(input={"text": "x"}))  # no worker: it stays queued
    bell = service.jobs.bell

    async def is_listening() -> bool:
        return job.id in bell._listeners

    async def is_silent() -> bool:
        return job.id not in bell._listeners

    async with httpx.AsyncClient() as http:
        url = f"http://127.0.0.1:{port}/v1/jobs/{job.id}/events"
        async with aconnect_sse(http, "GET", url) as source:
            assert (await anext(source.aiter_sse())).event == "queued"
            await until(is_listening)
    await until(is_silent)


async def test_stream_ends_with_an_error_once_its_key_is_revoked(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(authenticator, "REMEMBERED_SECONDS", 0.05)
    key, other = await holder(service), await holder(service, name="other")
    async with (
        live(make_app(service, rules=RULES)) as port,
        Client(f"http://127.0.0.1:{port}", key=key.text) as client,
        Client(f"http://127.0.0.1:{port}", key=other.text) as still,
    ):
        job = await client.submit("ask", {"text": "x"})  # no worker: it stays queued
        events, others = client.events(job.id), still.events(job.id)
        assert [(await anext(each)).kind for each in (events, others)] == ["queued", "queued"]
        await keyring_of(service).revoke(key.id)
        with pytest.raises(NotAuthenticated, match="was revoked"):
            async with asyncio.timeout(10):
                await anext(events)
        await service.jobs.cancel(job.id)
        assert (await anext(others)).kind == "cancelled"
        await others.aclose()


async def test_server_that_stays_away_is_told(service: Service, port: int) -> None:
    job = await service.jobs.submit(JobRequest(input={"text": "x"}))
    async with CuttingProxy(port) as proxy:
        gone = proxy.port
    async with Client(f"http://127.0.0.1:{gone}") as client:
        with pytest.raises(ServerUnreachable):
            await anext(client.events(job.id))
    async with Client(f"http://127.0.0.1:{port}") as client:
        with pytest.raises(RecordNotFound):
            await anext(client.events("job_0"))


async def test_wait_gives_the_job_as_it_is_when_time_is_over(service: Service, port: int) -> None:
    job = await service.jobs.submit(JobRequest(input={"text": "x"}))
    async with Client(f"http://127.0.0.1:{port}") as client:
        assert (await client.wait(job.id, timeout_seconds=0.1)).state == "queued"
        with pytest.raises(JobUnfinished):
            await client.result(job.id)
        assert (await client.cancel(job.id)).state == "cancelled"
        assert (await client.wait(job.id)).state == "cancelled"
        with pytest.raises(JobCancelled):
            await client.result(job.id)


async def test_clients_who_race_with_one_key_over_sockets_make_one_job(service: Service, port: int) -> None:
    async with Client(f"http://127.0.0.1:{port}") as one, Client(f"http://127.0.0.1:{port}") as other:
        made = await asyncio.gather(
            *(client.submit("ask", {"text": "x"}, idempotency_key="k") for client in [one, other] * 10)
        )
        assert len({job.id for job in made}) == 1
        with pytest.raises(IdempotencyConflict):
            await one.submit("ask", {"text": "y"}, idempotency_key="k")
        batch = [JobRequest(input={"text": str(number)}) for number in range(3)]
        first = await one.submit_many(batch, idempotency_key="b")
        assert [job.id for job in await other.submit_many(batch, idempotency_key="b")] == [job.id for job in first]
        page = await one.jobs(state="queued", limit=3)
        assert [job.id for job in page.jobs] == [job.id for job in reversed(first)]
        assert [job.id for job in (await one.jobs(cursor=page.next_cursor)).jobs] == [made[0].id]


async def test_blocking_client_has_the_same_verbs(service: Service, port: int) -> None:
    service.worker.start()

    def work() -> list[str]:
        with Blocking(Client(f"http://127.0.0.1:{port}")) as client:
            job = client.submit("ask", {"text": "France?"})
            kinds = [event.kind for event in client.events(job.id)]
            assert client.result(job.id).answer == "Paris"
            return kinds

    assert (await asyncio.to_thread(work))[-1] == "succeeded"
