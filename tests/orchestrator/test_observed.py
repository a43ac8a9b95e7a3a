"""Each request has an id, figures, our share of its time, and a line in the log that holds no word of the caller's."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from orchestrator.logs import configure, places_of
from orchestrator.request_context import RequestContext, current_request
from storage.job_records import Job
from tests.conftest import CANDIDATES, MakeService, fails
from tests.orchestrator.rest_app import ADMIN_KEY, MakeHttp, chat

CANARIES = ("canary-question", "canary-answer", "canary-system", "canary-path", "canary-model", ADMIN_KEY)
Lines = Callable[[], list[str]]


@pytest.fixture
def logged(request: pytest.FixtureRequest) -> Iterator[Lines]:
    """Lines of the process's log, in the format of the test's parameter; the logging of others is put back."""
    root, stream = logging.getLogger(), io.StringIO()
    before, level = list(root.handlers), root.level
    configure(request.param, level="debug", stream=stream)
    yield lambda: stream.getvalue().splitlines()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    for handler in before:
        root.addHandler(handler)
    root.setLevel(level)


json_log = pytest.mark.parametrize("logged", ["json"], indirect=True)
any_log = pytest.mark.parametrize("logged", ["text", "json"], indirect=True)


def access_lines(lines: list[str]) -> list[dict[str, object]]:
    found = [json.loads(line) for line in lines]
    return [line for line in found if line["logger"] == "antroute.access"]


@json_log
async def test_a_line_names_route_status_time_and_ids(
    make_service: MakeService, make_http: MakeHttp, logged: Lines
) -> None:
    http = await make_http(service=await make_service(), has_access_log=True)
    response = await http.post("/v1/chat/completions", json=chat(), headers={"x-request-id": "mine-1"})
    (line,) = access_lines(logged())
    assert {name: line[name] for name in ("level", "method", "route", "status", "request_id", "tenant")} == {
        "level": "info", "method": "POST", "route": "/v1/chat/completions", "status": 200, "request_id": "mine-1",
        "tenant": "default",
    }  # fmt: skip
    assert line["run_id"] == response.headers["x-antroute-run-id"]
    assert line["decision_id"] == response.headers["x-antroute-decision-id"]
    assert isinstance(line["milliseconds"], float)
    assert "timestamp" in line


@json_log
async def test_without_an_access_log_there_is_no_line(
    make_service: MakeService, make_http: MakeHttp, logged: Lines
) -> None:
    http = await make_http(service=await make_service())
    await http.get("/v1/models")
    assert access_lines(logged()) == []


@any_log
async def test_no_word_of_a_caller_s_and_no_key_stands_in_a_log(
    make_service: MakeService, make_http: MakeHttp, logged: Lines
) -> None:
    def breaks(_: object) -> str:
        raise RuntimeError("canary-answer: a bug that quotes what it was given")

    service = await make_service(small=lambda _: "canary-answer", large=breaks)
    http = await make_http(service=service, key=ADMIN_KEY, has_access_log=True)
    http.headers["authorization"] = f"Bearer {ADMIN_KEY}"
    body = chat(
        "canary-question",
        messages=[{"role": "system", "content": "canary-system"}, *chat("canary-question")["messages"]],
    )  # type: ignore[misc, dict-item]  # a list
    for _ in range(4):
        try:
            await http.post("/v1/chat/completions", json=body)
        except RuntimeError as error:  # as a server would have it
            logging.getLogger("server").log(logging.ERROR, "Exception in ASGI application", exc_info=error)
    await http.post("/v1/chat/completions", json={**body, "model": "canary-model"})
    await http.post("/v1/chat/completions", json={"canary-question": 1})
    await http.get("/v1/canary-path")
    await http.get("/v1/models", headers={"authorization": f"Bearer {ADMIN_KEY}x"})
    said = "\n".join(logged())
    assert said.count("antroute.access") == 8
    assert "RuntimeError" in said
    assert [word for word in CANARIES if word in said] == []


@any_log
def test_an_error_is_told_by_type_and_place(logged: Lines) -> None:
    try:
        raise ValueError("canary-inner")
    except ValueError as inner:
        try:
            raise RuntimeError("canary-outer") from inner
        except RuntimeError:
            logging.getLogger("any").exception("It broke")
    said = "\n".join(logged())
    assert "builtins.RuntimeError" in said
    assert "builtins.ValueError" in said
    assert "test_observed.py" in said
    assert "canary" not in said


def test_an_error_that_leads_to_itself_is_told_once() -> None:
    error = ValueError("x")
    error.__cause__ = error
    assert places_of(error) == "builtins.ValueError"


@any_log
def test_lines_of_a_request_carry_its_ids(logged: Lines) -> None:
    token = current_request.set(RequestContext(request_id="request_1", run_id="run_1"))
    logging.getLogger("any").warning("Something")
    current_request.reset(token)
    (line,) = logged()
    assert "request_1" in line
    assert "run_1" in line


@json_log
def test_what_ray_adds_to_each_record_is_left_out(logged: Lines) -> None:
    log = logging.getLogger("any")
    record = log.makeRecord("any", logging.WARNING, __file__, 1, "Something", (), None, extra={"worker": "worker_1"})
    vars(record)["_ray_timestamp_ns"] = 7  # where Ray was loaded before, it is there already
    log.handle(record)
    (line,) = map(json.loads, logged())
    assert set(line) == {"event", "level", "logger", "timestamp", "worker"}


async def test_a_harmless_request_id_is_kept_and_another_replaced(make_http: MakeHttp) -> None:
    http = await make_http()
    for sent, is_kept in [("abc-1.2_X", True), ("x" * 129, False), ("a b", False), ("{evil}", False)]:
        found = (await http.get("/healthz", headers={"x-request-id": sent})).headers["x-request-id"]
        assert (found == sent) == is_kept
        assert found
    ids = {(await http.get("/healthz")).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


async def test_every_openai_route_tells_our_share_of_its_time(make_http: MakeHttp) -> None:
    http = await make_http()
    responses = [
        await http.get("/v1/models"),
        await http.post("/v1/chat/completions", json=chat()),
        await http.post("/v1/chat/completions", json=chat(stream=True)),
        await http.post("/v1/chat/completions", json={}),
        await http.post("/v1/embeddings", json={}),
        await http.post("/v1/responses", json={}),
    ]
    for response in responses:
        assert float(response.headers["x-antroute-overhead-ms"]) >= 0
    assert "x-antroute-overhead-ms" not in (await http.get("/healthz")).headers


async def test_the_time_of_candidates_is_no_share_of_ours(make_service: MakeService, make_http: MakeHttp) -> None:
    service = await make_service(small=fails, candidates=CANDIDATES[:1])
    clock = iter(range(0, 10_000, 100))
    service.nodes.conditions._clock = lambda: float(next(clock))
    http = await make_http(service=service)
    response = await http.post("/v1/chat/completions", json=chat())
    assert (response.status_code, float(response.headers["x-antroute-overhead-ms"])) == (503, 0.0)


async def figures(http: httpx.AsyncClient) -> dict[str, float]:
    text = (await http.get("/metrics")).text
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


async def test_figures_of_a_run_and_of_its_failed_attempts(make_service: MakeService, make_http: MakeHttp) -> None:
    service = await make_service(small=fails, policy="cheapest")
    http = await make_http(service=service)
    run = (await http.post("/v1/chat/completions", json=chat())).json()
    await http.post("/v1/chat/completions", json=chat(stream=True, model="large"))
    service.nodes.health.failed("small", "down", retry_after_seconds=60.0)
    found = await figures(http)
    assert found['antroute_attempts_total{candidate="small",status="failed"}'] == 1
    assert found['antroute_attempts_total{candidate="large",status="succeeded"}'] == 2
    assert found['antroute_runs_total{candidate="large"}'] == 2
    tokens = run["usage"]["completion_tokens"]
    assert found['antroute_tokens_total{candidate="large",kind="output"}'] == 2 * tokens
    cost = float(run["antroute"]["cost_usd"])
    assert found['antroute_cost_usd_total{candidate="large"}'] == pytest.approx(2 * cost)
    assert found['antroute_account_usd{kind="spent"}'] == pytest.approx(2 * cost)
    assert found['antroute_account_usd{kind="held"}'] == 0
    assert found['antroute_upstream_seconds_count{candidate="large"}'] == 2
    assert found['antroute_first_word_seconds_count{candidate="large"}'] == 1
    assert found['antroute_breaker{model="small"}'] == 2
    assert found['antroute_breaker{model="large"}'] == 0
    assert found['antroute_http_requests_total{route="/v1/chat/completions",status="200"}'] == 2
    assert found['antroute_calls_under_way{candidate="large"}'] == 0
    assert found["process_resident_memory_bytes"] > 0


async def test_refusals_are_counted_by_reason_and_strangers_add_no_label(make_http: MakeHttp) -> None:
    http = await make_http(key=ADMIN_KEY)
    http.headers["authorization"] = f"Bearer {ADMIN_KEY}"
    await figures(http)
    before = set(await figures(http))
    for path in ("/v1/unheard-of", "/v1/traces/run_1", "/v1/traces/run_2"):
        await http.get(path)
    await http.get("/v1/models", headers={"authorization": "Bearer wrong"})
    await http.post("/v1/chat/completions", json=chat(max_tokens=0))
    await http.post("/v1/chat/completions", json=chat(antroute={"budget_usd": 0}))
    added = set(await figures(http)) - before
    assert {name for name in added if name.startswith("antroute_refused_total")} == {
        f'antroute_refused_total{{reason="{reason}"}}' for reason in ("not_authenticated", "invalid", "budget")
    }
    assert not [name for name in added if "unheard" in name or "run_1" in name]


async def test_jobs_are_counted_by_state_and_timed_by_workflow(make_service: MakeService, make_http: MakeHttp) -> None:
    service = await make_service()
    http = await make_http(service=service)
    assert (await figures(http))['antroute_jobs{state="queued"}'] == 0
    began = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(60):
        job = Job(workflow=f"flow-{number}", payload_id="p", payload_digest="", state="succeeded", started_at=began)
        for listener in service.worker.end_listeners:
            listener(replace(job, ended_at=began + timedelta(seconds=2)))
    found = await figures(http)
    assert found['antroute_job_seconds_sum{state="succeeded",workflow="flow-7"}'] == 2
    assert found['antroute_job_seconds_count{state="succeeded",workflow="others"}'] == 10
    assert sum(name.startswith("antroute_job_seconds_count") for name in found) == 51
