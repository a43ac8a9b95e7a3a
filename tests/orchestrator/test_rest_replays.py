"""Replays over HTTP and with the client: for operators, within limits, and of what the asker may see."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from orchestrator.client import Client
from orchestrator.replay.records import TrafficFilter
from orchestrator.rest.app import make_app
from orchestrator.rest.roles import RoleTable
from orchestrator.sdk import Orchestrator
from orchestrator.service import Service
from storage.errors import InvalidInput, RecordNotFound
from tests.conftest import MakeService, scripted_settings
from tests.orchestrator.replay.replay_doubles import asked
from tests.orchestrator.rest_app import MakeHttp
from tests.orchestrator.rest_keys import RULES, holder

PATH = "/v1/replays"


@pytest.fixture
async def service(make_service: MakeService) -> Service:
    return await make_service()


async def test_decisions_are_replayed_by_their_ids(service: Service, make_http: MakeHttp) -> None:
    ids = await asked(service, 3, policy="table")
    http = await make_http(service=service)
    answer = (await http.post(PATH, json={"ids": ids})).json()
    assert (answer["kind"], answer["is_same"], answer["counts"]["bit_equal"]) == ("decisions", True, 3)
    assert [each["decision_id"] for each in answer["decisions"]] == ids


async def test_traffic_goes_through_another_router_and_two_are_compared(service: Service, make_http: MakeHttp) -> None:
    await asked(service, 12)
    http = await make_http(service=service)
    one = (await http.post(PATH, json={"router": "cheapest", "limit": 10})).json()
    assert (one["kind"], one["traffic"]["replayed"]) == ("traffic", 10)
    both = (await http.post(PATH, json={"router": "cheapest", "against": "uniform"})).json()
    assert (both["kind"], both["second"]["router"]["switched"]) == ("comparison", 0)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "Give either `ids` or `router`"),
        ({"ids": ["decision_x"], "router": "table"}, "Give either `ids` or `router`"),
        ({"router": "/etc"}, "No router '/etc'"),
        ({"router": "table", "since": "2999-01-01T00:00:00Z"}, "No stored decision fits"),
    ],
)
async def test_wrong_bodies_are_told_what_would_be_right(
    service: Service, make_http: MakeHttp, body: dict[str, object], words: str
) -> None:
    await asked(service, 1)
    answer = await (await make_http(service=service)).post(PATH, json=body)
    assert answer.status_code == 422
    assert words in answer.json()["error"]["message"]


async def test_more_than_one_request_may_ask_for_is_refused(service: Service, make_http: MakeHttp) -> None:
    http = await make_http(service=service)
    for body in ({"ids": ["decision_x"] * 101}, {"router": "table", "limit": 10_001}, {"ids": []}):
        assert (await http.post(PATH, json=body)).status_code == 422


async def test_operator_sees_the_own_tenants_decisions_alone(service: Service, make_http: MakeHttp) -> None:
    [foreign] = await asked(service, 1)
    http = await make_http(service=service, rules=RULES)
    operator = await holder(service, tenant="blue", role="operator")
    hidden = await http.post(PATH, json={"ids": [foreign]}, headers=operator.headers)
    assert hidden.status_code == 404
    empty = await http.post(PATH, json={"router": "table", "tenant": "default"}, headers=operator.headers)
    assert empty.status_code == 422
    writer = await holder(service, tenant="blue", role="writer")
    assert (await http.post(PATH, json={"router": "table"}, headers=writer.headers)).status_code == 403
    assert RoleTable().least("POST", PATH) == "operator"


async def test_client_and_embedded_orchestrator_say_the_same() -> None:
    async with Orchestrator(scripted_settings()) as antroute:
        ids = await asked(antroute.service, 8)
        transport = httpx.ASGITransport(app=make_app(antroute.service))
        async with Client("http://localhost", transport=transport) as client:
            assert await client.replay(*ids) == await antroute.replay(*ids)
            wanted = TrafficFilter(until=datetime.now(UTC), limit=6)
            there, here = (
                await client.replay_traffic("cheapest", wanted),
                await antroute.replay_traffic("cheapest", wanted),
            )
            assert (there.router, there.changes) == (here.router, here.changes)
            both = await client.compare_routers("cheapest", "uniform")
            assert both.switches == (await antroute.compare_routers("cheapest", "uniform")).switches
            with pytest.raises(RecordNotFound):
                await client.replay("decision_nope")
            with pytest.raises(InvalidInput, match="No router"):
                await client.replay_traffic("nope")
