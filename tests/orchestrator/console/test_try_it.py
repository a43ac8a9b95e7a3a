"""The page on which a text is tried: it shows what would be decided, or what is wrong, and leaves nothing behind."""

from __future__ import annotations

import httpx
import pytest

from orchestrator.service import Service
from tests.conftest import MakeService
from tests.orchestrator.console.looking import HOSTILE, OWN, assert_inert, page_of
from tests.orchestrator.rest_app import MakeHttp
from tests.orchestrator.rest_keys import RULES, holder

TRY = "/console/try"


@pytest.fixture
async def service(make_service: MakeService) -> Service:
    return await make_service()


@pytest.fixture
async def http(make_http: MakeHttp, service: Service) -> httpx.AsyncClient:
    return await make_http(service=service)


async def tried(http: httpx.AsyncClient, **fields: str) -> httpx.Response:
    answer = await http.post(TRY, data={"text": "What is the capital of France?", **fields}, headers=OWN)
    assert_inert(answer.text)
    return answer


async def test_the_decision_is_shown_and_nothing_is_stored(service: Service, http: httpx.AsyncClient) -> None:
    assert "Decide" in await page_of(http, TRY)
    before = await service.stores.audit.last_position()
    answer = await tried(http, policy="linucb", budget_usd="0.05", cost="0.5")
    assert answer.status_code == 200
    for part in ("Picked ", "Why this one", "Candidates that could be picked", "$0.050000", 'role="img"'):
        assert part in answer.text
    assert "Spent" not in answer.text
    assert await service.stores.audit.last_position() == before


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"text": " "}, "The query is empty"),
        ({"policy": "no-such-policy"}, "no-such-policy"),
        ({"budget_usd": "much"}, "budget_usd is &#39;much&#39;"),
        ({"budget_usd": "-1"}, "it cannot be negative"),
        ({"budget_usd": "nan"}, "nan"),
        ({"quality": "0", "cost": "0"}, "weight"),
        ({"cost": "1e400"}, "cost"),
        ({"policy": HOSTILE}, "&lt;img src=x"),
    ],
)
async def test_what_is_wrong_is_said_in_its_place_and_the_form_stays(
    http: httpx.AsyncClient, fields: dict[str, str], words: str
) -> None:
    answer = await tried(http, **fields)
    assert answer.status_code in (400, 404, 422)
    assert words in answer.text.split('role="alert"')[1] and "<textarea" in answer.text


async def test_a_budget_that_allows_nobody_is_told(http: httpx.AsyncClient) -> None:
    answer = await tried(http, budget_usd="0")
    assert "$0.00" in answer.text and answer.text.split('id="tried"')[1].count("small") >= 1


async def test_a_part_is_shown_whether_it_failed_or_not(http: httpx.AsyncClient) -> None:
    answer = await http.post(TRY, data={"text": ""}, headers={**OWN, "hx-request": "true"})
    assert answer.status_code == 200 and 'role="alert"' in answer.text


async def test_a_strangers_text_does_nothing(http: httpx.AsyncClient) -> None:
    answer = await tried(http, text=HOSTILE.replace("\x00", "") + "</textarea><script>alert(1)</script>")
    assert "</textarea><script>" not in answer.text and "Picked " in answer.text


async def test_a_reader_looks_and_may_not_try(make_http: MakeHttp, service: Service) -> None:
    reader = await holder(service, role="reader")
    http = await make_http(service=service, rules=RULES)
    assert "takes the role writer" in await page_of(http, TRY, headers=reader.headers)
    answer = await http.post(TRY, data={"text": "hello"}, headers={**OWN, **reader.headers})
    assert answer.status_code == 403
