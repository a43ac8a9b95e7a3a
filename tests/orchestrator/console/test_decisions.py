"""The list of decisions: its filters, its pages, what comes while one looks, and nobody else's."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from orchestrator.identity import Identity
from orchestrator.rest.console.decision_query import DecisionsQuery
from orchestrator.service import Service
from storage.records import Decision
from storage.registry import open_stores
from storage.stores import SummaryStore
from storage.summary_records import SummaryProgress
from tests.conftest import MakeService, fails
from tests.orchestrator.console.looking import HOSTILE, assert_inert, page_of
from tests.orchestrator.rest_app import MakeHttp
from tests.orchestrator.rest_keys import RULES, holder

FRANCE = "What is the capital of France?"
LIST = "/console/decisions"


def test_an_early_year_is_written_as_it_is_read() -> None:
    address = DecisionsQuery.model_validate({"since": "0099-01-01T00:00"}).address(LIST)
    assert address == f"{LIST}?since=0099-01-01T00%3A00"


@pytest.fixture
async def service(make_service: MakeService) -> Service:
    return await make_service()


@pytest.fixture
async def http(make_http: MakeHttp, service: Service) -> httpx.AsyncClient:
    return await make_http(service=service)


async def made(service: Service, text: str = FRANCE, candidate: str | None = None) -> Decision:
    run = await service.run(text, candidate=candidate)
    return await service.stores.decisions.get(run.decision_id)


async def test_without_decisions_the_page_says_how_to_ask(http: httpx.AsyncClient) -> None:
    text = await page_of(http, LIST)
    assert "antroute ask" in text and 'id="rows"' not in text
    poll = text.split("data-poll=")[1].split(">")[0]
    assert 'hx-target="#list"' in poll  # htmx sends nothing for a target that is not there


async def test_a_row_says_who_was_picked_and_what_came_of_it(service: Service, http: httpx.AsyncClient) -> None:
    decision = await made(service, candidate="small")
    await service.feedback(decision.id, quality=0.75)
    text = await page_of(http, LIST)
    row = text.split('<tbody id="rows">')[1].split("</tbody>")[0]
    for part in (f"/console/decisions/{decision.id}", FRANCE, "small", "succeeded", ">0.75<", ">1.000<"):
        assert part in row


@pytest.mark.parametrize(
    ("query", "is_there"),
    [
        ("candidate=small", True),
        ("candidate=large", False),
        ("status=succeeded", True),
        ("status=failed", False),
        ("judged=no", True),
        ("judged=yes", False),
        ("period=1h", True),
        ("until=2020-01-01T00:00", False),
        ("since=2020-01-01T00:00", True),
        ("cost_over=1000", False),
        ("task=no-such-task", False),
        ("run=run_0000000000000000", False),
    ],
)
async def test_filters_pick_what_they_name(
    service: Service, http: httpx.AsyncClient, query: str, is_there: bool
) -> None:
    decision = await made(service, candidate="small")
    assert (decision.id in await page_of(http, f"{LIST}?{query}")) == is_there


async def test_a_form_with_empty_fields_leads_to_an_address_without_them(http: httpx.AsyncClient) -> None:
    answer = await http.get(f"{LIST}?candidate=&policy=table&status=&cost_over=&close=&since=")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{LIST}?policy=table")


@pytest.mark.parametrize(
    "query",
    [
        "canddate=small",
        "status=done",
        "since=5",
        "since=0001-01-01T00:00:00%2B14:00",
        "until=9999-12-31T23:59:59-14:00",
        "cost_over=-1",
        "trail=x",
        "period=1y",
    ],
)
async def test_a_filter_that_there_is_not_is_refused_on_a_page(http: httpx.AsyncClient, query: str) -> None:
    answer = await http.get(f"{LIST}?{query}")
    assert answer.status_code in (400, 422) and "<!doctype html>" in answer.text


async def test_pages_lead_to_older_ones_and_back(
    service: Service, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.rest.console.pages.decisions.A_PAGE", 2)
    ids = [(await made(service, f"Question {number}?")).id for number in range(5)][::-1]
    seen, address = [], LIST
    for _ in range(3):
        text = await page_of(http, address)
        seen.append([each for each in ids if each in text])
        older = text.split('rel="next" href="')
        address = older[1].split('"')[0].replace("&amp;", "&") if len(older) > 1 else address
    assert seen == [ids[:2], ids[2:4], ids[4:]]
    assert 'rel="next"' not in text
    newer = text.split('rel="prev" href="')[1].split('"')[0].replace("&amp;", "&")
    back = await page_of(http, newer)
    assert [each for each in ids if each in back] == ids[2:4]


def test_the_way_back_is_as_long_as_the_way_there() -> None:
    query = DecisionsQuery(policy="table")
    older = query.older(LIST, 900)
    assert older == f"{LIST}?policy=table&before=900&trail=0"
    second = DecisionsQuery(policy="table", before=900, trail="0")
    third = DecisionsQuery(policy="table", before=800, trail="0,900")
    assert second.older(LIST, 800) == f"{LIST}?policy=table&before=800&trail=0%2C900"
    assert third.newer(LIST) == f"{LIST}?policy=table&before=900&trail=0"
    assert second.newer(LIST) == f"{LIST}?policy=table"
    assert query.newer(LIST) is None


async def test_what_is_newer_comes_as_rows_and_nothing_as_no_answer(service: Service, http: httpx.AsyncClient) -> None:
    first = await made(service)
    text = await page_of(http, LIST)
    position = text.split('data-position="')[1].split('"')[0]
    assert (await http.get(f"{LIST}/newer?after={position}")).status_code == 204
    second = await made(service, "Another question?")
    answer = await http.get(f"{LIST}/newer?after={position}")
    assert answer.text.lstrip().startswith("<tr") and 'class="new"' in answer.text
    assert second.id in answer.text and first.id not in answer.text and "<!doctype" not in answer.text
    assert (await http.get(f"{LIST}/newer?after={position}&candidate=nobody")).status_code == 204


async def test_the_first_decision_of_all_loads_the_page_anew(service: Service, http: httpx.AsyncClient) -> None:
    await made(service)
    answer = await http.get(f"{LIST}/newer?after=0")
    assert (answer.status_code, answer.headers["hx-refresh"]) == (204, "true")


async def test_a_row_under_way_is_replaced_once_its_outcome_is_there(service: Service, http: httpx.AsyncClient) -> None:
    decision = await made(service)
    answer = await http.get(f"{LIST}/newer?after=99999&under_way={decision.id},decision_0000000000000000")
    assert 'hx-swap-oob="true"' in answer.text and "succeeded" in answer.text and 'class="new"' not in answer.text


class Lagging:
    """Rows of a log that is not gathered to its end yet."""

    def __init__(self, rows: SummaryStore) -> None:
        self._rows = rows

    def __getattr__(self, name: str) -> object:
        return getattr(self._rows, name)

    async def catch_up(self, *, seconds: float) -> SummaryProgress:
        return SummaryProgress(position=0, last_position=1234)


async def test_what_is_still_gathered_is_told_and_looked_for_again(
    make_http: MakeHttp, make_service: MakeService, http: httpx.AsyncClient
) -> None:
    assert "still being gathered" not in await page_of(http, LIST)
    stores = await open_stores("memory:")
    lagging = replace(stores, summaries=Lagging(stores.summaries))  # type: ignore[arg-type]  # a store by its methods
    text = await page_of(await make_http(service=await make_service(stores=lagging)), f"{LIST}?policy=table")
    line = text.split('<p class="notice"')[1].split("</p>")[0]
    assert "1,234 events" in line and 'hx-trigger="load delay:1s"' in line and f'hx-get="{LIST}?policy=table"' in line


async def test_another_tenants_decisions_are_not_there(make_http: MakeHttp, service: Service) -> None:
    run = await service.run(FRANCE, identity=Identity(tenant="other", principal="p", role="writer"))
    reader, admin = await holder(service, role="reader"), await holder(service, role="admin")
    http = await make_http(service=service, rules=RULES)
    assert run.decision_id not in await page_of(http, LIST, headers=reader.headers)
    assert run.decision_id in await page_of(http, LIST, headers=admin.headers)
    for query in ("after=1", f"after=99999&under_way={run.decision_id}"):
        assert (await http.get(f"{LIST}/newer?{query}", headers=reader.headers)).status_code == 204


async def test_strangers_texts_are_shown_and_do_nothing(make_http: MakeHttp, make_service: MakeService) -> None:
    service = await make_service(small=fails, large=fails)
    hostile = HOSTILE.replace("\x00", "")
    with pytest.raises(Exception, match=r".+"):
        await service.run(hostile)
    http = await make_http(service=service)
    assert_inert(await page_of(http, LIST))
    assert_inert(await page_of(http, f"{LIST}?candidate=%3Cscript%3Ealert(1)%3C/script%3E&task=%22%20onload=%22x"))


async def test_an_erased_question_is_not_there(service: Service, http: httpx.AsyncClient) -> None:
    decision = await made(service)
    await service.stores.payloads.erase(decision.payload_id)
    text = await page_of(http, LIST)
    assert "(erased)" in text and FRANCE not in text
