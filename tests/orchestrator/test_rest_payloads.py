"""Erasure over HTTP: an operator's own tenant, the admin's every one, and nobody else's."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

import orchestrator.rest.payloads as payloads_module
from orchestrator.service import Service
from tests.conftest import MakeService
from tests.orchestrator.rest_app import MakeHttp, chat
from tests.orchestrator.rest_keys import CHAT, RULES, Holder, holder

ERASE = "/v1/payloads/erase"
FAR = "2100-01-01T00:00:00Z"


async def asked(http: httpx.AsyncClient, key: Holder) -> dict[str, Any]:
    response = await http.post(CHAT, json=chat(), headers=key.headers)
    told: dict[str, Any] = response.json()["antroute"]
    return told


async def has_text(service: Service, run_id: str) -> bool:
    return (await service.trace(run_id)).query_text is not None


@pytest.fixture
async def service(make_service: MakeService) -> Service:
    return await make_service()


@pytest.fixture
async def http(make_http: MakeHttp, service: Service) -> httpx.AsyncClient:
    return await make_http(service=service, rules=RULES)


async def test_an_operator_erases_its_own_tenants_texts_alone(http: httpx.AsyncClient, service: Service) -> None:
    acme, other = [await holder(service, tenant=name, role="operator") for name in ("acme", "other")]
    ours, theirs = await asked(http, acme), await asked(http, other)
    dry = await http.post(ERASE, json={"before": FAR, "dry_run": True}, headers=acme.headers)
    assert dry.json() == {
        "erased": False, "texts": 2, "decisions": 1, "jobs": 0, "unfinished_jobs": [], "next_cursor": None,
    }  # fmt: skip
    assert await has_text(service, ours["run_id"])
    done = (await http.post(ERASE, json={"before": FAR}, headers=acme.headers)).json()
    assert (done["erased"], done["texts"]) == (True, 2)
    assert not await has_text(service, ours["run_id"])
    assert await has_text(service, theirs["run_id"])


@pytest.mark.parametrize("what", ["decision_id", "run_id"])
async def test_what_is_another_tenants_is_not_there(http: httpx.AsyncClient, service: Service, what: str) -> None:
    acme, other = [await holder(service, tenant=name, role="operator") for name in ("acme", "other")]
    theirs = await asked(http, other)
    refused = await http.post(ERASE, json={what: theirs[what]}, headers=acme.headers)
    unknown = await http.post(ERASE, json={what: f"{what[:-3]}_0000000000000000"}, headers=acme.headers)
    assert (refused.status_code, unknown.status_code) == (404, 404)
    assert refused.json()["error"]["message"].replace(theirs[what], "") == unknown.json()["error"]["message"].replace(
        f"{what[:-3]}_0000000000000000", ""
    )
    assert (await http.post(ERASE, json={"tenant": "other"}, headers=acme.headers)).status_code == 404
    assert await has_text(service, theirs["run_id"])
    own = await http.post(ERASE, json={what: theirs[what]}, headers=other.headers)
    assert own.json()["texts"] == 2


async def test_the_admin_erases_everybodys_and_a_writer_nobodys(http: httpx.AsyncClient, service: Service) -> None:
    writer, admin = await holder(service, tenant="acme"), await holder(service, role="admin")
    run = await asked(http, writer)
    assert (await http.post(ERASE, json={"before": FAR}, headers=writer.headers)).status_code == 403
    assert (await http.post(ERASE, json={"tenant": "acme"}, headers=admin.headers)).json()["texts"] == 2
    assert not await has_text(service, run["run_id"])


@pytest.mark.parametrize("body", [{}, {"before": "soon"}, {"cursor": -1, "tenant": "a"}, {"befor": FAR}])
async def test_a_wrong_or_empty_body_is_refused(make_http: MakeHttp, body: dict[str, Any]) -> None:
    http = await make_http()
    assert (await http.post(ERASE, json=body)).status_code in (400, 422)


async def test_a_long_log_is_gone_through_in_several_requests(
    make_http: MakeHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payloads_module, "MOST_SECONDS", 0.0)
    monkeypatch.setattr("orchestrator.erasure.slices.__kwdefaults__", {"after_position": 0, "slice_events": 4})
    http = await make_http()
    for _ in range(4):
        await http.post(CHAT, json=chat())
    texts, cursor, requests = 0, 0, 0
    while cursor is not None and requests < 100:
        done = (await http.post(ERASE, json={"before": FAR, "cursor": cursor, "dry_run": True})).json()
        texts, cursor, requests = texts + done["texts"], done["next_cursor"], requests + 1
    assert texts == 8
    assert requests > 2
