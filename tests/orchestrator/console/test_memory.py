"""The page of memories: the heat map as an image, moments as links and as a slider, and tables that say the same."""

from __future__ import annotations

from datetime import timedelta
from xml.etree import ElementTree

import pytest

from orchestrator.rest.console.pages.memory import first_lesson
from orchestrator.service import Service
from routing.registry import POLICIES
from storage.trail_records import TrailEvent
from tests.conftest import MakeService
from tests.orchestrator.console.looking import HOSTILE, assert_inert, page_of
from tests.orchestrator.rest_app import MakeHttp
from tests.orchestrator.rest_keys import RULES, holder


@pytest.fixture
async def service(make_service: MakeService, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Its memory `double` learned a lesson a day ago, and one now."""
    monkeypatch.setitem(POLICIES, "double", "tests.orchestrator.trail_doubles:DoubleMemory")
    service = await make_service()
    run = await service.run("What is the capital of France?", candidate="small")
    await service.feedback(run.decision_id, quality=1.0)
    await service.trails.flush()
    return service


def lesson(task: str, candidate: str, *, days_ago: float, memory: str = "double") -> TrailEvent:
    event = TrailEvent(memory=memory, mixture={task: 1.0}, candidate_id=candidate, stage="answer", utility=0.75)
    return TrailEvent(**{**vars(event), "at": event.at - timedelta(days=days_ago)})


async def test_without_lessons_the_page_says_how_to_give_one(make_http: MakeHttp, make_service: MakeService) -> None:
    http = await make_http(service=await make_service(policy="pheromone"))
    assert "/outcomes" in await page_of(http, "/console/memory")


async def test_trails_are_in_a_picture_and_in_tables(service: Service, make_http: MakeHttp) -> None:
    http = await make_http(service=service)
    text = await page_of(http, "/console/memory?memory=double")
    assert "Strongest" in text and ">small<" in text
    address = text.split('<img src="/console/memory')[1].split('"')[0]
    picture = await http.get(f"/console/memory{address}")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert picture.headers["content-security-policy"].startswith("default-src 'none'")
    assert ElementTree.fromstring(picture.text).tag.endswith("svg")


async def test_past_moments_are_links_and_a_slider(service: Service, make_http: MakeHttp) -> None:
    await service.stores.trails.append([lesson("old task", "large", days_ago=10)])
    first = await first_lesson(service.stores.trails, "double")
    assert first is not None
    await service.trails.flush()
    http = await make_http(service=service)
    now = await page_of(http, "/console/memory?memory=double")
    assert now.count('class="button" href="/console/memory?') == 8
    early = now.split('class="button" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "as they were at" in await page_of(http, early)
    slid = await page_of(http, "/console/memory?memory=double&part=10")
    assert "as they were at" in slid and 'value="10"' in slid
    assert (await http.get("/console/memory?part=101")).status_code == 422
    assert (await http.get("/console/memory?at=yesterday")).status_code == 422


async def test_one_stage_is_shown_where_it_is_wanted(service: Service, make_http: MakeHttp) -> None:
    http = await make_http(service=service)
    assert "0 fields are known" in await page_of(http, "/console/memory?memory=double&stage=other")
    assert (await http.get("/console/memory?memory=none")).status_code == 422


async def test_names_in_the_memory_are_only_text(service: Service, make_http: MakeHttp) -> None:
    await service.stores.trails.append([lesson(HOSTILE, HOSTILE, days_ago=0)])
    await service.trails.flush()
    http = await make_http(service=service)
    assert "&lt;img src=x" in await page_of(http, "/console/memory?memory=double")
    assert_inert((await http.get("/console/memory/double/picture.svg")).text)


@pytest.mark.parametrize("path", ["", "/double/picture.svg"])
async def test_trails_are_for_operators(service: Service, make_http: MakeHttp, path: str) -> None:
    http, writer = await make_http(service=service, rules=RULES), await holder(service, role="writer")
    assert (await http.get(f"/console/memory{path}", headers=writer.headers)).status_code == 403
