"""Memories of trails over HTTP and through the SDK: to look at, not to change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import httpx
import pytest

from orchestrator.client import Client
from orchestrator.rest.app import make_app
from orchestrator.service import Service
from routing.registry import POLICIES
from storage.errors import InvalidInput
from tests.conftest import MakeService
from tests.orchestrator.rest_app import ADMIN_KEY, MakeHttp


@pytest.fixture
async def service(make_service: MakeService, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    """It has judged one answer, from which the memory `double` has learned."""
    monkeypatch.setitem(POLICIES, "double", "tests.orchestrator.trail_doubles:DoubleMemory")
    service = await make_service()
    run = await service.run("What is the capital of France?", candidate="small")
    await service.feedback(run.decision_id, quality=1.0)
    await service.trails.flush()
    yield service


async def test_the_cells_of_every_memory_are_shown(service: Service, make_http: MakeHttp) -> None:
    http = await make_http(service=service)
    answer = await http.get("/v1/memory")
    assert answer.status_code == 200
    memories = {each["memory"]: each["cells"] for each in answer.json()["memories"]}
    assert {cell["candidate_id"] for cell in memories["double"]} == {"small"}
    assert sum(cell["n"] for cell in memories["double"]) == pytest.approx(1.0)


async def test_filters_choose_and_unknown_ones_are_refused(service: Service, make_http: MakeHttp) -> None:
    http = await make_http(service=service)
    [only] = (await http.get("/v1/memory", params={"memory": "double", "candidate": "large"})).json()["memories"]
    assert (only["memory"], only["cells"]) == ("double", [])
    for params in ({"memory": "doubel"}, {"colour": "red"}, {"at": "2026-03-01T12:00:00"}):
        answer = await http.get("/v1/memory", params=params)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_input")


async def test_a_past_moment_is_shown_as_it_was(service: Service, make_http: MakeHttp) -> None:
    http = await make_http(service=service)
    past = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    [only] = (await http.get("/v1/memory", params={"memory": "double", "at": past})).json()["memories"]
    assert (only["cells"], only["at"]) == ([], past)


async def test_nothing_can_be_changed(service: Service, make_http: MakeHttp) -> None:
    http = await make_http(service=service)
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert (await http.request(method, "/v1/memory", json={})).status_code == 405


async def test_without_the_key_nothing_is_shown(service: Service, make_http: MakeHttp) -> None:
    http = await make_http(service=service, key=ADMIN_KEY)
    assert (await http.get("/v1/memory")).status_code == 401
    assert (await http.get("/v1/memory/double/picture.svg")).status_code == 401


async def test_the_heat_map_is_served_and_may_load_nothing(service: Service, make_http: MakeHttp) -> None:
    http = await make_http(service=service)
    answer = await http.get("/v1/memory/double/picture.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert ElementTree.fromstring(answer.text).tag.endswith("svg")
    assert (await http.get("/v1/memory/none/picture.svg")).status_code == 422


async def test_the_client_speaks_it(service: Service) -> None:
    transport = httpx.ASGITransport(app=make_app(service))
    async with Client("http://localhost", transport=transport) as antroute:
        [only] = (await antroute.memory("double"))["memories"]
        assert sum(cell["n"] for cell in only["cells"]) == pytest.approx(1.0)
        past = datetime.now(UTC) - timedelta(days=1)
        assert (await antroute.memory("double", at=past))["memories"][0]["cells"] == []
        with pytest.raises(InvalidInput):
            await antroute.memory("none")
