"""So much at once, a few who wait, and the others come back later; nothing grows and nothing is forgotten."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from orchestrator.errors import Overloaded
from orchestrator.overload import Admission
from tests.conftest import MakeService
from tests.orchestrator.doubles import GatedLLM, cancelled, until
from tests.orchestrator.rest_app import MakeHttp, chat


async def begun(admission: Admission, count: int) -> list[asyncio.Task[None]]:
    """So many that wait for their turn."""
    tasks = [asyncio.create_task(admission.enter()) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_whoever_leaves_gives_the_place_to_who_waits_longest() -> None:
    admission = Admission(most=1, most_waiting=2, wait_seconds=60)
    await admission.enter()
    first, second = await begun(admission, 2)
    assert (admission.under_way, admission.waiting) == (1, 2)
    admission.leave()
    await first
    assert not second.done()
    admission.leave()
    await second
    admission.leave()
    assert (admission.under_way, admission.waiting) == (0, 0)
    await admission.settled()


async def test_with_the_waiting_room_full_it_is_refused_at_once_and_told_when_to_come_back() -> None:
    admission = Admission(most=1, most_waiting=1, wait_seconds=60)
    await admission.enter()
    [waiting] = await begun(admission, 1)
    with pytest.raises(Overloaded, match="1 requests are worked on and 1 wait") as caught:
        await admission.enter()
    assert caught.value.retry_after_seconds == 1.0
    assert admission.waiting == 1
    admission.leave()
    await waiting


async def test_nobody_waits_for_ever() -> None:
    admission = Admission(most=1, most_waiting=1, wait_seconds=0.01)
    await admission.enter()
    with pytest.raises(Overloaded, match=r"No place became free within 0\.01 s"):
        await admission.enter()
    assert (admission.under_way, admission.waiting) == (1, 0)


async def test_who_gives_up_while_waiting_leaves_no_hole() -> None:
    admission = Admission(most=1, most_waiting=3, wait_seconds=60)
    await admission.enter()
    first, second = await begun(admission, 2)
    await cancelled(first)
    assert admission.waiting == 1
    admission.leave()
    await second
    admission.leave()
    assert admission.under_way == 0


async def test_a_place_given_to_one_who_gives_up_at_that_moment_goes_on_to_the_next() -> None:
    admission = Admission(most=1, most_waiting=3, wait_seconds=60)
    await admission.enter()
    first, second = await begun(admission, 2)
    admission.leave()
    await cancelled(first)
    await second
    admission.leave()
    assert admission.under_way == 0


async def test_a_drained_one_takes_nothing_and_settles_when_the_last_leaves() -> None:
    admission = Admission(most=1, most_waiting=3, wait_seconds=60)
    await admission.enter()
    [waiting] = await begun(admission, 1)
    admission.drain()
    for refused in (waiting, admission.enter()):
        with pytest.raises(Overloaded, match="stopping"):
            await refused
    settled = asyncio.create_task(admission.settled())
    await asyncio.sleep(0)
    assert not settled.done()
    admission.leave()
    await settled


async def statuses(http: httpx.AsyncClient, count: int) -> list[httpx.Response]:
    return list(await asyncio.gather(*(http.post("/v1/chat/completions", json=chat()) for _ in range(count))))


async def test_a_full_gateway_answers_503_and_stays_open_to_those_who_look(
    make_service: MakeService, make_http: MakeHttp
) -> None:
    model = GatedLLM(["Par", "is"])
    admission = Admission(most=2, most_waiting=1, wait_seconds=60)
    http = await make_http(service=await make_service(small=model, large=model), admission=admission)
    under_way = asyncio.create_task(statuses(http, 3))

    async def is_full() -> bool:
        return (admission.under_way, admission.waiting) == (2, 1)

    await until(is_full)
    refused = await http.post("/v1/chat/completions", json=chat())
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert refused.json()["error"]["code"] == "overloaded"
    assert "connection" not in refused.headers
    assert float(refused.headers["x-antroute-overhead-ms"]) >= 0
    for path in ("/healthz", "/readyz", "/metrics", "/v1/models"):
        assert (await http.get(path)).status_code == 200
    figures = (await http.get("/metrics")).text
    assert "antroute_requests_under_way 2.0" in figures
    assert "antroute_requests_waiting 1.0" in figures
    model.gate.set()
    assert [response.status_code for response in await under_way] == [200, 200, 200]
    assert admission.under_way == 0


async def test_a_draining_gateway_is_not_ready_and_sends_new_work_elsewhere(
    make_service: MakeService, make_http: MakeHttp
) -> None:
    admission = Admission()
    http = await make_http(service=await make_service(), admission=admission)
    admission.drain()
    refused = await http.post("/v1/chat/completions", json=chat(stream=True))
    assert (refused.status_code, refused.headers["connection"], refused.headers["retry-after"]) == (503, "close", "5")
    ready = await http.get("/readyz")
    assert (ready.status_code, ready.json(), ready.headers["connection"]) == (503, {"status": "stopping"}, "close")
    assert (await http.get("/v1/decisions")).status_code == 200
