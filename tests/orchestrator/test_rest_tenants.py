"""What one tenant has is not there for another: every route that names an object, and every list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from orchestrator.service import Service
from storage.job_records import Job
from storage.records import Payload
from storage.stores import DecisionFilter
from storage.webhook_records import Delivery
from tests.conftest import MakeService
from tests.orchestrator.rest_app import MakeHttp, chat
from tests.orchestrator.rest_keys import CHAT, RULES, Holder, filled, holder, routes_of

OF_ALL = {"model_id", "router_id", "skill_id"}  # the service's configuration, which tenants share
FAR = datetime(2100, 1, 1, tzinfo=UTC)  # no worker takes the job while the test looks at it
BODIES: dict[str, Any] = {"/v1/decisions/{decision_id}/outcomes": {"quality": 1}}


@dataclass(frozen=True, kw_only=True)
class Side:
    """A tenant with one of everything."""

    key: Holder
    ids: dict[str, str]  # by the name of the route's parameter


async def side(service: Service, http: httpx.AsyncClient, tenant: str) -> Side:
    key = await holder(service, tenant=tenant, role="operator")
    answer = (await http.post(CHAT, json=chat(), headers=key.headers)).json()
    payload = Payload.of('{"workflow": {}, "input": {}}')
    job = Job(
        workflow="w",
        payload_id=payload.id,
        payload_digest=payload.digest,
        tenant=tenant,
        account_id=key.id,
        request_sha256="ab" * 32,
        not_before=FAR,
    )
    await service.stores.jobs.submit([(job, payload)])
    delivery = await service.stores.deliveries.put(
        Delivery(job_id=job.id, tenant=tenant, url="https://example.com/hook", kind="job.succeeded", body="{}")
    )
    assert service.audit.checkpointer is not None
    await service.audit.checkpointer.look(is_last=True)  # what is signed can be proven
    ids = {
        "decision_id": answer["antroute"]["decision_id"],
        "run_id": answer["antroute"]["run_id"],
        "account_id": key.id,
        "key_id": key.id,
        "job_id": job.id,
        "delivery_id": delivery.id,
    }
    return Side(key=key, ids=ids)


@pytest.fixture
async def service(make_service: MakeService) -> Service:
    return await make_service()


@pytest.fixture
async def http(service: Service, make_http: MakeHttp) -> httpx.AsyncClient:
    return await make_http(service=service, rules=RULES)


async def test_no_route_gives_one_tenant_what_is_anothers(service: Service, http: httpx.AsyncClient) -> None:
    ours, theirs = await side(service, http, "ours"), await side(service, http, "theirs")
    wrong, tried = [], 0
    for method, template in await _object_routes(service, http):
        for asker, owner in ((ours, theirs), (theirs, ours)):
            path, body = filled(template, owner.ids), BODIES.get(template, {})
            foreign = await http.request(method, path, json=body, headers=asker.key.headers)
            tried += 1
            if foreign.status_code not in (403, 404):
                wrong.append((method, path, foreign.status_code))
    assert wrong == []
    assert tried >= 8


async def test_what_another_tenant_has_is_answered_as_what_is_not_there(
    service: Service, http: httpx.AsyncClient
) -> None:
    ours, theirs = await side(service, http, "ours"), await side(service, http, "theirs")
    for method, template in await _object_routes(service, http):
        foreign, unknown = [
            await http.request(method, filled(template, ids), json=BODIES.get(template, {}), headers=ours.key.headers)
            for ids in (theirs.ids, {name: f"{value[:-4]}0000" for name, value in theirs.ids.items()})
        ]
        assert foreign.status_code == unknown.status_code
        for name, value in theirs.ids.items():
            told = unknown.text.replace(f"{value[:-4]}0000", value)
            if f"{{{name}}}" in template:
                assert foreign.text == told


async def test_own_objects_are_there_for_each_of_them(service: Service, http: httpx.AsyncClient) -> None:
    ours = await side(service, http, "ours")
    refused = []
    for method, template in await _object_routes(service, http):
        if "{key_id}" in template:
            continue
        path, body = filled(template, ours.ids), BODIES.get(template, {})
        if template.endswith("/events"):
            continue  # it goes on until the job ends
        response = await http.request(method, path, json=body, headers=ours.key.headers)
        if response.status_code in (401, 403, 404):
            refused.append((method, path, response.status_code, response.text))
    assert refused == []


async def test_lists_show_what_is_ones_own(service: Service, http: httpx.AsyncClient) -> None:
    ours, theirs = await side(service, http, "ours"), await side(service, http, "theirs")
    admin = await holder(service, role="admin", name="root")
    seen_by_admin = ""
    for method, template in await routes_of(http, admin.headers):
        if method != "GET" or "{" in template:
            continue
        text = (await http.get(template, headers=ours.key.headers)).text
        leaked = [name for name, value in theirs.ids.items() if value in text]
        assert leaked == [], template
        seen_by_admin += (await http.get(template, headers=admin.headers)).text
    for name in ("decision_id", "account_id", "key_id"):
        assert ours.ids[name] in seen_by_admin
        assert theirs.ids[name] in seen_by_admin


async def test_own_accounts_are_listed_and_their_line_ends_at_the_tenants(
    service: Service, http: httpx.AsyncClient
) -> None:
    ours = await side(service, http, "ours")
    await side(service, http, "theirs")
    listed = (await http.get("/v1/budgets", headers=ours.key.headers)).json()["accounts"]
    assert {account["id"] for account in listed} == {"tenant_ours", ours.key.id}
    shown = (await http.get(f"/v1/budgets/{ours.key.id}", headers=ours.key.headers)).json()
    assert [parent["id"] for parent in shown["parents"]] == ["tenant_ours"]
    for foreign in ("default", "tenant_theirs"):
        assert (await http.get(f"/v1/budgets/{foreign}", headers=ours.key.headers)).status_code == 404


async def test_decision_says_whose_it_is_and_the_keys_account_paid(service: Service, http: httpx.AsyncClient) -> None:
    ours = await side(service, http, "ours")
    decision = await service.stores.decisions.get(ours.ids["decision_id"])
    assert (decision.tenant, decision.principal, decision.account_id) == ("ours", "operator", ours.key.id)
    spent = [(await service.stores.budgets.get(name)).spent_usd for name in (ours.key.id, "tenant_ours")]
    assert spent[0] == spent[1] > 0
    assert (await service.stores.budgets.get("default")).spent_usd == 0


@pytest.mark.parametrize(
    "field",
    ["api_base", "api_key", "base_url", "headers", "extra_headers", "account", "account_id", "tenant", "identity"],
)
@pytest.mark.parametrize("place", ["body", "antroute"])
async def test_caller_names_neither_upstream_nor_account_nor_tenant(
    field: str, place: str, service: Service, http: httpx.AsyncClient
) -> None:
    key = await holder(service)
    body = chat(**({field: "x"} if place == "body" else {"antroute": {field: "x"}}))
    response = await http.post(CHAT, json=body, headers=key.headers)
    assert (response.status_code in (400, 422), response.json()["error"]["code"]) == (True, "invalid_input")
    assert field in response.json()["error"]["message"]
    assert await service.stores.decisions.find(DecisionFilter()) == []


async def _object_routes(service: Service, http: httpx.AsyncClient) -> list[tuple[str, str]]:
    """Routes that name something of a tenant's."""
    admin = await holder(service, role="admin", name=f"root of {len(await service.stores.keys.keys())}")
    routes = await routes_of(http, admin.headers)
    return [(m, path) for m, path in routes if "_id}" in path and not any(f"{{{name}}}" in path for name in OF_ALL)]


@pytest.mark.parametrize("more", [{}, {"antroute": {"plan": "vote"}}, {"antroute": {"plan": "vote"}, "stream": True}])
async def test_every_decision_of_a_run_is_its_tenants_own(
    more: dict[str, Any], service: Service, http: httpx.AsyncClient
) -> None:
    key = await holder(service, tenant="ours", role="writer")
    asked = chat(**more)
    assert (await http.post(CHAT, json=asked, headers=key.headers)).status_code == 200
    found = await service.stores.decisions.find(DecisionFilter())
    assert {(each.decision.tenant, each.decision.principal) for each in found} == {("ours", "writer")}


async def test_so_are_those_of_a_job_whose_steps_have_plans(service: Service, http: httpx.AsyncClient) -> None:
    key = await holder(service, tenant="ours", role="writer")
    options = {"plan": "vote", "verifier": {"kind": "regex", "pattern": "."}}
    body = {"input": {"text": "x", "options": options}}
    job = (await http.post("/v1/jobs", json=body, headers=key.headers)).json()
    service.worker.start()
    assert (await service.jobs.wait(job["id"], timeout_seconds=10)).state == "succeeded"
    found = await service.stores.decisions.find(DecisionFilter(run_id=job["run_id"]))
    assert {each.decision.tenant for each in found} == {"ours"}
    told = (await http.get("/v1/decisions", params={"run_id": job["run_id"]}, headers=key.headers)).json()["decisions"]
    assert len(told) == len(found) > 0
