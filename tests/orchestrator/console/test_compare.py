"""Two routers on the same stored traffic: asked for by a form, followed, shown side by side, for operators."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from orchestrator.errors import Overloaded
from orchestrator.identity import Identity
from orchestrator.replay.records import Switch, TrafficFilter
from orchestrator.rest.console.comparisons import MOST_WAITING, Comparing, Comparisons
from orchestrator.rest.console.pages.compare import command_of, matrix_of
from orchestrator.service import Service
from storage.errors import InvalidInput, RecordNotFound
from tests.conftest import MakeService
from tests.orchestrator.console.looking import HOSTILE, OWN, assert_inert, page_of
from tests.orchestrator.rest_app import MakeHttp
from tests.orchestrator.rest_keys import RULES, holder

ACME = Identity(tenant="acme", principal="a", role="operator")
UMBRELLA = Identity(tenant="umbrella", principal="u", role="operator")


@pytest.fixture
async def service(make_service: MakeService) -> Service:
    """It has answered some questions, some of them judged."""
    service = await make_service()
    for number in range(12):
        run = await service.run(f"What is the capital of France? {number}")
        await service.feedback(run.decision_id, quality=1.0 if run.candidate_id == "large" else 0.5)
    return service


@pytest.fixture
async def http(make_http: MakeHttp, service: Service) -> httpx.AsyncClient:
    return await make_http(service=service)


def under_way() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task.get_name().startswith("comparison_")]


async def compared(http: httpx.AsyncClient, first: str, second: str) -> str:
    """The page of the comparison, once it has ended."""
    sent = await http.post("/console/compare", data={"first": first, "second": second}, headers=OWN)
    assert sent.status_code == 303, sent.text
    address = sent.headers["location"]
    running = await http.get(f"{address}/progress", headers={"hx-request": "true"})
    assert running.status_code == 204 or 'hx-trigger="load delay:1s"' in running.text
    await asyncio.wait_for(asyncio.gather(*under_way()), 30)
    ended = await http.get(f"{address}/progress", headers={"hx-request": "true"})
    assert (ended.status_code, ended.headers["hx-refresh"]) == (204, "true")
    return await page_of(http, address)


async def test_without_traffic_the_page_says_how_to_make_some(make_http: MakeHttp) -> None:
    assert "antroute ask" in await page_of(await make_http(), "/console/compare")


async def test_two_policies_stand_side_by_side_with_their_switches(http: httpx.AsyncClient) -> None:
    text = await compared(http, "cheapest", "uniform")
    assert "Side by side" in text and "Who takes whose place" in text
    assert "antroute routers compare cheapest uniform --since" in text
    assert "/console/decisions/decision_" in text and 'class="number shade-4"' in text
    assert "12" in text.split("<dt>Decisions</dt>")[1][:40]
    assert "Asked for before" in await page_of(http, "/console/compare")


async def test_what_was_done_is_compared_with_a_router(http: httpx.AsyncClient) -> None:
    text = await compared(http, "logged", "cheapest")
    assert "that of cheapest" in text and "antroute replay --router cheapest" in text


async def test_what_cannot_be_compared_is_said(http: httpx.AsyncClient) -> None:
    assert "nobody" in await compared(http, "nobody", "cheapest")
    same = await http.post("/console/compare", data={"first": "logged", "second": "logged"}, headers=OWN)
    assert same.status_code == 422 and "choose two routers" in same.text
    for wrong in ({"first": "logged"}, {"first": "a", "second": "b", "limit": "1000000"}):
        assert (await http.post("/console/compare", data=wrong, headers=OWN)).status_code == 422
    assert (await http.get("/console/compare/comparison_x")).status_code == 404
    assert_inert((await http.post("/console/compare", data={"first": HOSTILE, "second": HOSTILE}, headers=OWN)).text)


@pytest.mark.parametrize("path", ["", "/comparison_x", "/comparison_x/progress"])
async def test_comparing_is_for_operators(make_http: MakeHttp, service: Service, path: str) -> None:
    http, writer = await make_http(service=service, rules=RULES), await holder(service, role="writer")
    assert (await http.get(f"/console/compare{path}", headers=writer.headers)).status_code == 403


class HeldDesk:
    """A desk that works until it is let go; then it breaks."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()

    async def compare(self, first: str, second: str, wanted: TrafficFilter, **more: Any) -> None:
        more["on_progress"](3, 7, "replaying decisions")
        await self.gate.wait()
        raise ZeroDivisionError("a bug")


@pytest.fixture
async def desk() -> AsyncIterator[HeldDesk]:
    desk = HeldDesk()
    yield desk
    desk.gate.set()
    await asyncio.gather(*under_way())


async def test_only_so_many_are_under_way_and_each_tenant_sees_its_own(desk: HeldDesk) -> None:
    comparisons = Comparisons(lambda: desk)  # type: ignore[arg-type, return-value]  # a double
    begun = [comparisons.begin("a", "b", TrafficFilter(), ACME) for _ in range(MOST_WAITING)]
    with pytest.raises(Overloaded):
        comparisons.begin("a", "b", TrafficFilter(), UMBRELLA)
    with pytest.raises(RecordNotFound):
        comparisons.get(begun[0].id, UMBRELLA)
    assert comparisons.of(UMBRELLA) == [] and comparisons.of(Identity()) == begun[::-1]
    await asyncio.sleep(0)
    assert (begun[0].done, begun[0].of, begun[0].what) == (3, 7, "replaying decisions")


async def test_one_that_breaks_ends_with_an_error_and_makes_room(desk: HeldDesk) -> None:
    comparisons = Comparisons(lambda: desk)  # type: ignore[arg-type, return-value]  # a double
    desk.gate.set()
    for _ in range(20):
        begun = comparisons.begin("a", "b", TrafficFilter(), ACME)
        assert begun.task is not None
        await begun.task
        assert "It broke" in str(begun.error)
    assert len(comparisons.of(ACME)) == 16
    with pytest.raises(InvalidInput):
        comparisons.begin("a", "a", TrafficFilter(), ACME)


def test_the_matrix_has_the_candidates_that_were_switched_most() -> None:
    switches = [Switch(from_id="a", to_id="b", count=8, cost_change_usd=0.0)]
    switches += [Switch(from_id=f"c{n:02}", to_id="a", count=1, cost_change_usd=0.0) for n in range(20)]
    found = matrix_of(switches)
    assert found.columns[:2] == ("a", "b") and len(found.columns) == 12
    assert dict(found.rows)["a"][1].shade == 4 and dict(found.rows)["c00"][0].shade == 1
    assert found.left_out == 10
    assert matrix_of([]).columns == ()


def test_the_command_is_quoted_for_a_shell() -> None:
    asked = Comparing(first="a; rm -rf /", second="b", wanted=TrafficFilter(), tenant=None)
    assert command_of(asked) == "antroute routers compare 'a; rm -rf /' b --limit 100000"
