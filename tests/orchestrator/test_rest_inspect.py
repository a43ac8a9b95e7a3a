"""Decisions, outcomes, traces, models, health and metrics over HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.recorder import Entry
from storage.errors import StorageUnavailable
from storage.registry import open_stores
from storage.stores import BudgetStore
from tests.conftest import CANDIDATES, MakeService, fails
from tests.orchestrator.rest_app import MakeHttp, chat

CHAT = "/v1/chat/completions"
NOBODY = "decision_0000000000000000"


async def test_models_are_auto_policies_and_candidates(make_http: MakeHttp) -> None:
    http = await make_http()
    names = [model["id"] for model in (await http.get("/v1/models")).json()["data"]]
    assert names[0] == "auto"
    assert {"auto:table", "auto:linucb", "small", "large"} <= set(names)


async def test_preview_decides_and_stores_nothing(make_http: MakeHttp) -> None:
    http = await make_http()
    decision = (await http.post("/v1/route", json={"text": "hello", "model": "auto:uniform"})).json()
    assert decision["candidate_id"] in {"small", "large"}
    assert sum(a["probability"] for a in decision["assessments"]) == pytest.approx(1.0)
    assert (await http.get("/v1/decisions")).json() == {"decisions": [], "next_cursor": None}
    refused = await http.post("/v1/route", json={"text": "hello", "modle": "auto"})
    assert refused.json()["error"]["param"] == "modle"


async def test_decisions_are_paged_newest_first(make_http: MakeHttp) -> None:
    http = await make_http()
    made = [(await http.post(CHAT, json=chat(model="small"))).json()["antroute"]["decision_id"] for _ in range(5)]
    made += [(await http.post(CHAT, json=chat(model="large"))).json()["antroute"]["decision_id"]]
    found, cursor = [], None
    for _ in range(10):
        page = (await http.get("/v1/decisions", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        found += [decision["id"] for decision in page["decisions"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == made[::-1]
    assert len((await http.get("/v1/decisions", params={"candidate": "small"})).json()["decisions"]) == 5
    assert (await http.get("/v1/decisions", params={"policy": "linucb"})).json()["decisions"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("candidat=small", "candidat"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("cursor=-1", "cursor"),
        ("cursor=99999999999999999999", "cursor"),
        ("since=yesterday", "since"),
    ],
)
async def test_unknown_or_wrong_parameter_is_refused(query: str, field: str, make_http: MakeHttp) -> None:
    response = await (await make_http()).get(f"/v1/decisions?{query}")
    assert (response.status_code, response.json()["error"]["param"]) == (422, field)


async def test_decision_shows_its_outcomes_and_rewards(make_http: MakeHttp) -> None:
    http = await make_http()
    decision_id = (await http.post(CHAT, json=chat())).json()["id"]
    verdict = await http.post(f"/v1/decisions/{decision_id}/outcomes", json={"quality": 0.5, "judged_by": "verifier"})
    assert (verdict.status_code, verdict.json()["status"]) == (201, "judged")
    decision = (await http.get(f"/v1/decisions/{decision_id}")).json()
    assert [outcome["judged_by"] for outcome in decision["outcomes"]] == [None, "verifier"]
    assert len(decision["rewards"]) == 1


async def test_verdict_with_a_key_is_taken_once(make_http: MakeHttp) -> None:
    http = await make_http()
    url = f"/v1/decisions/{(await http.post(CHAT, json=chat())).json()['id']}/outcomes"
    key = {"idempotency-key": "abc"}
    first = await http.post(url, json={"quality": 1}, headers=key)
    again = await http.post(url, json={"quality": 1}, headers=key)
    assert first.json() == again.json()
    other = await http.post(url, json={"quality": 0}, headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")


@pytest.mark.parametrize(
    ("body", "field"), [({"quality": 2}, "quality"), ({}, "quality"), ({"quality": 1, "qualty": 1}, "qualty")]
)
async def test_wrong_verdict_is_refused_by_field(body: object, field: str, make_http: MakeHttp) -> None:
    response = await (await make_http()).post(f"/v1/decisions/{NOBODY}/outcomes", json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (422, field)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"/v1/decisions/{NOBODY}", 404, "not_found"),
        ("GET", "/v1/traces/run_0000000000000000", 404, "not_found"),
        ("POST", f"/v1/decisions/{NOBODY}/outcomes", 404, "not_found"),
        ("GET", "/v1/nothing", 404, "not_found"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("GET", "/v1/decisions/%ED%A0%80%00", 422, "invalid_input"),
    ],
)
async def test_what_is_not_there_is_told_in_one_shape(
    method: str, path: str, status: int, code: str, make_http: MakeHttp
) -> None:
    http = await make_http()
    response = await http.request(method, path, json={"quality": 1} if method == "POST" else None)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


async def test_trace_shows_the_run(make_http: MakeHttp) -> None:
    http = await make_http()
    response = await http.post(CHAT, json=chat("What is the capital of France?"))
    trace = (await http.get(f"/v1/traces/{response.headers['x-antroute-run-id']}")).json()
    assert (trace["query"], trace["answer"]) == ("What is the capital of France?", "Paris")
    assert trace["cost_usd"] == response.headers["x-antroute-cost-usd"]
    assert {span["name"] for span in trace["spans"]} == {"route", "execute", "chat"}


async def test_log_is_verified(make_http: MakeHttp) -> None:
    http = await make_http()
    await http.post(CHAT, json=chat())
    found = (await http.post("/v1/audit/verify")).json()
    assert found["is_whole"]
    assert found["events_checked"] >= 3


async def test_figures_name_routes_and_never_paths(make_http: MakeHttp) -> None:
    http = await make_http(large=fails)
    await http.post(CHAT, json=chat(model="small"))
    await http.post(CHAT, json=chat(model="large"))
    await http.get(f"/v1/decisions/{NOBODY}")
    await http.get("/v1/secret-in-a-path")
    text = (await http.get("/metrics")).text
    assert 'antroute_http_requests_total{route="/v1/chat/completions",status="200"} 1.0' in text
    assert 'antroute_http_requests_total{route="/v1/decisions/{decision_id}",status="404"} 1.0' in text
    assert 'antroute_runs_total{candidate="small"} 1.0' in text
    assert 'antroute_failures_total{code="model_unavailable"} 1.0' in text
    assert "antroute_overhead_seconds_count 1.0" in text
    assert "antroute_pending_records 0.0" in text
    assert NOBODY not in text
    assert "secret" not in text


async def test_ready_until_no_model_can_be_asked(make_service: MakeService, make_http: MakeHttp) -> None:
    service = await make_service(small=fails, candidates=CANDIDATES[:1])
    http = await make_http(service=service)
    assert (await http.get("/healthz")).json() == {"status": "ok"}
    assert (await http.get("/readyz")).status_code == 200
    for _ in range(2):
        await http.post(CHAT, json=chat())
    response = await http.get("/readyz")
    assert response.status_code == 503
    assert "failed 2 times" in response.json()["problems"][0]
    assert (await http.get("/healthz")).status_code == 200


async def test_not_ready_while_records_wait_for_the_database(make_service: MakeService, make_http: MakeHttp) -> None:
    service = await make_service()
    http = await make_http(service=service)
    service.nodes.recorder.pending.append(Entry(hold_id=None, items=()))
    response = await http.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (503, "degraded")
    assert response.json()["problems"] == ["1 records wait for the database"]
    assert "antroute_pending_records 1.0" in (await http.get("/metrics")).text


class AwayBudgets:
    """Budgets behind a database that is away as soon as `is_away`."""

    def __init__(self, wrapped: BudgetStore) -> None:
        self.wrapped = wrapped
        self.is_away = False

    def __getattr__(self, name: str) -> Any:
        if self.is_away:
            raise StorageUnavailable("The database is away.")
        return getattr(self.wrapped, name)


async def test_not_ready_without_its_database(make_service: MakeService, make_http: MakeHttp) -> None:
    stores = await open_stores("memory:")
    budgets = AwayBudgets(stores.budgets)
    standing_in: Any = budgets
    http = await make_http(service=await make_service(stores=replace(stores, budgets=standing_in)))
    assert (await http.get("/readyz")).status_code == 200
    budgets.is_away = True
    response = await http.get("/readyz")
    assert (response.status_code, response.json()["problems"]) == (503, ["The database is away."])


async def test_openapi_names_every_route(make_http: MakeHttp) -> None:
    paths = (await (await make_http()).get("/openapi.json")).json()["paths"]
    assert {"/v1/chat/completions", "/v1/route", "/v1/decisions", "/v1/traces/{run_id}", "/healthz"} <= set(paths)


async def test_decisions_are_found_by_outcome_cost_margin_task_and_time(make_http: MakeHttp) -> None:
    http = await make_http(small=fails, max_attempts=1)
    await http.post(CHAT, json=chat(model="small"))
    dear = (await http.post(CHAT, json=chat(model="large"))).json()["antroute"]["decision_id"]
    free = (await http.post(CHAT, json=chat(model="auto:uniform"))).json()["antroute"]["decision_id"]

    async def found(**filters: object) -> list[dict[str, Any]]:
        page: dict[str, Any] = (await http.get("/v1/decisions", params=filters)).json()  # type: ignore[arg-type]
        assert page.keys() == {"decisions", "next_cursor"}
        decisions: list[dict[str, Any]] = page["decisions"]
        return decisions

    everything = await found()
    assert [each["candidate_id"] for each in await found(status="failed")][-1:] == ["small"]
    assert dear in [each["id"] for each in await found(cost_over="0.00001")]
    assert [each["id"] for each in await found(margin_under=0.05)] == [free]
    assert await found(task=everything[0]["task"], limit=500) == [
        each for each in everything if each["task"] == everything[0]["task"]
    ]
    assert await found(until=everything[-1]["decided_at"]) == []
    assert await found(judged="true", status="succeeded") == []
    assert (await http.get("/v1/decisions", params={"status": "lost"})).status_code == 422
    assert (await http.get("/v1/decisions", params={"cost_over": "NaN"})).status_code == 422


async def test_pages_of_filtered_decisions_hold_each_once(make_http: MakeHttp) -> None:
    http = await make_http()
    made = [(await http.post(CHAT, json=chat(model="small"))).json()["antroute"]["decision_id"] for _ in range(5)]
    found, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = (await http.get("/v1/decisions", params={"status": "succeeded", "limit": 2, **more})).json()
        found += [decision["id"] for decision in page["decisions"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == made[::-1]
