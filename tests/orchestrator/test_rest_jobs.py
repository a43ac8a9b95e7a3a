"""Durable jobs over HTTP: submit, look, page, cancel, result."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest

from agents.llm import CompletionRequest
from orchestrator.service import Service
from tests.conftest import MakeService, answers, fails
from tests.orchestrator.doubles import GatedLLM
from tests.orchestrator.rest_app import ADMIN_KEY, MakeHttp

QUESTION = {"workflow": "ask", "input": {"text": "What is the capital of France?"}}
REVIEW = {
    "name": "review",
    "inputs": ["text"],
    "steps": [{"name": "claims", "prompt": "France: {text}"}, {"name": "check", "prompt": "France again: {claims}"}],
}
SERVER = {"secret": "s" * 48}


@dataclass(frozen=True, kw_only=True)
class Tenants:
    """One application, and the headers of those who come in."""

    http: httpx.AsyncClient
    admin: dict[str, str]
    acme: dict[str, str]
    umbrella: dict[str, str]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
async def service(make_service: MakeService) -> Service:
    """Jobs wait in its queue until a test starts its worker."""
    return await make_service(server=SERVER)


@pytest.fixture
async def http(make_http: MakeHttp, service: Service) -> httpx.AsyncClient:
    return await make_http(service=service)


async def ended(service: Service, job_id: str) -> str:
    service.worker.start()
    return (await service.jobs.wait(job_id, timeout_seconds=20)).state


async def test_submitted_job_is_shown_where_its_location_says(http: httpx.AsyncClient) -> None:
    body = {
        **QUESTION, "priority": 7, "metadata": {"ticket": "42"}, "budget": {"usd": 0.02},
        "deadline": "2100-01-01T00:00:00+02:00",
    }  # fmt: skip
    made = await http.post("/v1/jobs", json=body)
    assert made.status_code == 201
    job = made.json()
    assert made.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["state"], job["priority"], job["metadata"]) == ("queued", 7, {"ticket": "42"})
    assert job["deadline"] == "2099-12-31T22:00:00+00:00"
    assert Decimal(job["budget"]["usd"]) == Decimal("0.02")
    assert (await http.get(made.headers["location"])).json() == job


async def test_job_that_succeeded_has_its_answers_as_result(http: httpx.AsyncClient, service: Service) -> None:
    body = {"workflow": REVIEW, "input": {"text": "Paris is its capital."}}
    job = (await http.post("/v1/jobs", json=body)).json()
    early = await http.get(f"/v1/jobs/{job['id']}/result")
    assert (early.status_code, early.json()["error"]["code"]) == (409, "job_unfinished")
    assert early.headers["retry-after"] == "1"
    assert await ended(service, job["id"]) == "succeeded"
    result = await http.get(f"/v1/jobs/{job['id']}/result")
    assert result.status_code == 200
    assert result.json()["answers"] == {"claims": "Paris", "check": "Paris"}
    assert result.json()["answer"] == "Paris"
    assert (await http.get(f"/v1/traces/{job['run_id']}")).status_code == 200


async def test_result_of_a_failed_job_is_its_error_and_no_server_error(
    make_http: MakeHttp, make_service: MakeService
) -> None:
    service = await make_service(server=SERVER, small=fails, large=fails)
    http = await make_http(service=service)
    job = (await http.post("/v1/jobs", json=QUESTION)).json()
    assert await ended(service, job["id"]) == "failed"
    shown = (await http.get(f"/v1/jobs/{job['id']}")).json()
    assert shown["error"]["code"] == "model_unavailable"
    result = await http.get(f"/v1/jobs/{job['id']}/result")
    assert result.status_code == 409
    assert result.json()["error"]["code"] == "model_unavailable"
    assert result.json()["error"]["retryable"] is False


async def test_cancelled_queued_job_never_runs(make_http: MakeHttp, make_service: MakeService) -> None:
    asked: list[str] = []

    def heard(request: CompletionRequest) -> str:
        asked.append(request.messages[-1].content)
        return answers(request)

    service = await make_service(server=SERVER, small=heard, large=heard)
    http = await make_http(service=service)
    job = (await http.post("/v1/jobs", json=QUESTION)).json()
    cancelled = await http.post(f"/v1/jobs/{job['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    other = (await http.post("/v1/jobs", json={**QUESTION, "input": {"text": "France?"}})).json()
    assert await ended(service, other["id"]) == "succeeded"
    assert asked == ["France?"]
    result = await http.get(f"/v1/jobs/{job['id']}/result")
    assert (result.status_code, result.json()["error"]["code"]) == (409, "job_cancelled")
    assert (await http.post(f"/v1/jobs/{other['id']}/cancel")).json()["state"] == "succeeded"


async def test_cancelled_running_job_stops(make_http: MakeHttp, make_service: MakeService) -> None:
    llm = GatedLLM(["never"], before_gate=0)
    service = await make_service(server=SERVER, small=llm, large=llm)
    http = await make_http(service=service)
    job = (await http.post("/v1/jobs", json=QUESTION)).json()
    service.worker.start()
    await asyncio.wait_for(llm.has_begun.wait(), 10)
    assert (await http.post(f"/v1/jobs/{job['id']}/cancel")).json()["is_cancel_requested"] is True
    assert (await service.jobs.wait(job["id"], timeout_seconds=10)).state == "cancelled"
    assert llm.was_cancelled


async def test_same_key_and_body_give_the_same_job_and_another_body_is_refused(http: httpx.AsyncClient) -> None:
    headers = {"idempotency-key": "order-7"}
    first = await http.post("/v1/jobs", json=QUESTION, headers=headers)
    again = await http.post("/v1/jobs", json=QUESTION, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    other = await http.post("/v1/jobs", json={**QUESTION, "priority": 1}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")


async def test_many_who_send_one_key_at_once_make_one_job(http: httpx.AsyncClient) -> None:
    headers = {"idempotency-key": "race"}
    sent = await asyncio.gather(*(http.post("/v1/jobs", json=QUESTION, headers=headers) for _ in range(20)))
    assert sorted(answer.status_code for answer in sent) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in sent}) == 1
    assert len((await http.get("/v1/jobs")).json()["jobs"]) == 1


async def test_batch_is_taken_whole_or_not_at_all(http: httpx.AsyncClient) -> None:
    wrong = await http.post("/v1/jobs/batch", json={"jobs": [QUESTION, {"workflow": "aks"}]})
    assert wrong.status_code == 422
    assert wrong.json()["error"]["param"] == "jobs.1.workflow"
    assert (await http.get("/v1/jobs")).json()["jobs"] == []
    taken = await http.post("/v1/jobs/batch", json={"jobs": [QUESTION] * 1000})
    assert taken.status_code == 201
    assert len({job["id"] for job in taken.json()["jobs"]}) == 1000
    assert (await http.post("/v1/jobs/batch", json={"jobs": [QUESTION] * 1001})).status_code == 422


async def test_same_batch_with_the_same_key_gives_the_same_jobs(http: httpx.AsyncClient) -> None:
    body = {"jobs": [QUESTION, {**QUESTION, "priority": 3}]}
    first = await http.post("/v1/jobs/batch", json=body, headers={"idempotency-key": "b1"})
    again = await http.post("/v1/jobs/batch", json=body, headers={"idempotency-key": "b1"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


async def test_pages_show_each_job_once_while_others_are_added(http: httpx.AsyncClient) -> None:
    made = [(await http.post("/v1/jobs", json=QUESTION)).json()["id"] for _ in range(7)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await http.get(f"/v1/jobs?limit=3{cursor}")).json()
        seen += [job["id"] for job in page["jobs"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
        await http.post("/v1/jobs", json=QUESTION)
    assert seen == list(reversed(made))


async def test_list_is_filtered_by_state_and_workflow(http: httpx.AsyncClient) -> None:
    asked = (await http.post("/v1/jobs", json=QUESTION)).json()["id"]
    review = (await http.post("/v1/jobs", json={"workflow": REVIEW, "input": {"text": "x"}})).json()["id"]
    await http.post(f"/v1/jobs/{asked}/cancel")

    async def found(query: str) -> list[str]:
        return [job["id"] for job in (await http.get(f"/v1/jobs?{query}")).json()["jobs"]]

    assert await found("state=cancelled") == [asked]
    assert await found("workflow=review") == [review]
    assert await found("state=cancelled&workflow=review") == []


@pytest.mark.parametrize("query", ["colour=red", "state=waiting", "limit=0", "limit=501", "cursor=x", "cursor=-1"])
async def test_unknown_filter_is_refused(http: httpx.AsyncClient, query: str) -> None:
    assert (await http.get(f"/v1/jobs?{query}")).status_code == 422


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"priority": 101}, "priority"),
        ({"deadline": "2030-01-01T00:00:00"}, "deadline"),
        ({"deadline": "9999-12-31T23:59:59-12:00"}, "deadline"),
        ({"webhook_url": "http://hooks.example.com/"}, "webhook_url"),
        ({"webhook_url": "https://169.254.169.254/latest"}, "webhook_url"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"budget": {"usd": -1}}, "budget.usd"),
        ({"workflow": "aks"}, "workflow"),
        ({"input": {"txt": "x"}}, "input"),
        ({"api_base": "http://evil"}, "api_base"),
    ],
)
async def test_wrong_job_is_refused_by_the_name_of_its_field(
    http: httpx.AsyncClient, change: dict[str, Any], field: str
) -> None:
    answer = await http.post("/v1/jobs", json={**QUESTION, **change})
    assert answer.status_code == 422
    assert answer.json()["error"]["param"] == field


@pytest.fixture
async def tenants(make_http: MakeHttp, service: Service) -> Tenants:
    """Two tenants, with a writer's key each."""
    http = await make_http(service=service, key=ADMIN_KEY)
    admin = bearer(ADMIN_KEY)
    keys = {}
    for tenant in ("acme", "umbrella"):
        await http.post("/v1/tenants", json={"name": tenant}, headers=admin)
        body = {"name": "bot", "tenant": tenant, "role": "writer"}
        keys[tenant] = bearer((await http.post("/v1/keys", json=body, headers=admin)).json()["key"])
    return Tenants(http=http, admin=admin, acme=keys["acme"], umbrella=keys["umbrella"])


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("POST", "/cancel"), ("GET", "/result"), ("GET", "/events")],
)
async def test_job_of_another_tenant_is_not_there(tenants: Tenants, method: str, path: str) -> None:
    http = tenants.http
    job = (await http.post("/v1/jobs", json=QUESTION, headers=tenants.acme)).json()
    assert job["tenant"] == "acme"
    foreign = await http.request(method, f"/v1/jobs/{job['id']}{path}", headers=tenants.umbrella)
    unknown = await http.request(method, f"/v1/jobs/job_0{path}", headers=tenants.umbrella)
    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert (await http.get("/v1/jobs", headers=tenants.umbrella)).json()["jobs"] == []
    assert len((await http.get("/v1/jobs", headers=tenants.admin)).json()["jobs"]) == 1


async def test_one_idempotency_key_of_two_tenants_makes_two_jobs(tenants: Tenants) -> None:
    key = {"idempotency-key": "order-7"}
    sent = [
        await tenants.http.post("/v1/jobs", json=QUESTION, headers=who | key)
        for who in (tenants.acme, tenants.umbrella)
    ]
    assert [answer.status_code for answer in sent] == [201, 201]
    assert sent[0].json()["id"] != sent[1].json()["id"]
