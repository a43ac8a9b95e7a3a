"""Chat completions over HTTP: OpenAI's shapes, our headers, one shape of error."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal

import httpx
import pytest

from agents.errors import AnswerCut, ModelRefused
from agents.llm import CompletionRequest
from orchestrator.rest.app import make_app
from orchestrator.service import Service
from storage.stores import DecisionFilter
from tests.conftest import CANDIDATES, MakeService, fails
from tests.orchestrator.doubles import GatedLLM
from tests.orchestrator.rest_app import MakeHttp, chat

URL = "/v1/chat/completions"


def events(response: httpx.Response) -> list[dict[str, object]]:
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


async def test_answer_has_openai_s_shape_and_our_headers(make_http: MakeHttp) -> None:
    http = await make_http()
    response = await http.post(URL, json=chat())
    body = response.json()
    assert response.status_code == 200
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "Paris"}
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + body["usage"]["completion_tokens"]
    assert response.headers["x-antroute-decision-id"] == body["antroute"]["decision_id"] == body["id"]
    assert response.headers["x-antroute-candidate"] == body["model"]
    assert Decimal(response.headers["x-antroute-cost-usd"]) > 0
    assert float(response.headers["x-antroute-overhead-ms"]) > 0


async def test_stream_has_openai_s_chunks_and_the_usage_when_asked_for(make_http: MakeHttp) -> None:
    http = await make_http(small=lambda request: "one two three", candidates=CANDIDATES[:1])
    response = await http.post(URL, json=chat(stream=True, stream_options={"include_usage": True}))
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-antroute-candidate"] == "small"
    chunks = events(response)
    assert {chunk["id"] for chunk in chunks} == {response.headers["x-antroute-decision-id"]}
    choices = [chunk["choices"][0] for chunk in chunks if chunk["choices"]]  # type: ignore[index]  # JSON
    assert "".join(choice["delta"].get("content", "") for choice in choices) == "one two three"
    assert [choice["finish_reason"] for choice in choices][-1] == "stop"
    assert chunks[-1]["usage"]["completion_tokens"] == 3  # type: ignore[index]  # JSON


async def test_model_names_a_candidate_or_a_policy(make_http: MakeHttp) -> None:
    http = await make_http()
    pinned = await http.post(URL, json=chat(model="large"))
    assert pinned.headers["x-antroute-candidate"] == "large"
    cheap = await http.post(URL, json=chat(model="auto:thompson"))
    decision = (await http.get(f"/v1/decisions/{cheap.headers['x-antroute-decision-id']}")).json()
    assert decision["policy"] == "thompson"


async def test_earlier_turns_and_parts_reach_the_model(make_http: MakeHttp) -> None:
    seen: list[CompletionRequest] = []

    def look(request: CompletionRequest) -> str:
        seen.append(request)
        return "ok"

    http = await make_http(small=look, candidates=CANDIDATES[:1])
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": [{"type": "text", "text": "And "}, {"type": "text", "text": "now?"}]},
    ]
    sent = {"messages": messages, "max_tokens": 7, "temperature": 0.5, "seed": 3, "stop": "END"}
    assert (await http.post(URL, json=sent)).status_code == 200
    (request,) = seen
    assert [(m.role, m.content) for m in request.messages] == [
        ("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "And now?"),
    ]  # fmt: skip
    generation = request.generation
    assert (generation.max_output_tokens, generation.temperature, generation.seed) == (7, 0.5, 3)
    assert generation.stop == ("END",)


def last_is_the_assistants() -> dict[str, object]:
    return {"messages": [{"role": "assistant", "content": "Hi"}]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (chat(""), "text"),
        (chat("x" * 70_000), "text"),
        (chat("a\x00b"), "text"),
        (chat("half \ud83d"), "text"),
        (chat(max_tokens=0), "max_tokens"),
        (chat(max_tokens=100_000), "max_tokens"),
        (chat(max_tokens="many"), "max_tokens"),
        (chat(temperature=3), "temperature"),
        (chat(n=2), "n"),
        (chat(seed=2**70), "seed"),
        (chat(tools=[]), "tools"),
        (chat(model=7), "model"),
        (chat(antroute={"budget_usd": -1}), "antroute.budget_usd"),
        (chat(antroute={"budgte_usd": 1}), "antroute.budgte_usd"),
        (chat(antroute={"timeout_seconds": 1e9}), "timeout_seconds"),
        (last_is_the_assistants(), "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "messages.0.content"),
        ({}, "messages"),
        ([], "body"),
        ({"\ud800": 1, **chat()}, "body"),
    ],
)
async def test_bad_body_is_refused_by_field(body: object, field: str, make_http: MakeHttp) -> None:
    http = await make_http()
    content = json.dumps(body).encode()
    response = await http.post(URL, content=content, headers={"content-type": "application/json"})
    error = response.json()["error"]
    assert response.status_code == 400
    assert (error["code"], error["type"]) == ("invalid_input", "invalid_request_error")
    assert error["param"].startswith(field)
    assert (await http.get("/v1/decisions")).json()["decisions"] == []


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"{not json", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"", "application/json"),
        (json.dumps(chat()).encode(), "text/plain"),
        (json.dumps(chat()).encode(), "application/x-www-form-urlencoded"),
    ],
    ids=["invalid", "deep-list", "deep-object", "not-utf8", "empty", "text", "form"],
)
async def test_body_that_cannot_be_read_is_refused(content: bytes, content_type: str, make_http: MakeHttp) -> None:
    http = await make_http()
    response = await http.post(URL, content=content, headers={"content-type": content_type})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_input"


async def test_each_error_has_its_status_and_names_its_decision(make_http: MakeHttp) -> None:
    def refuses(request: CompletionRequest) -> str:
        raise ModelRefused("Too long for me.")

    http = await make_http(small=fails, large=refuses)
    expected = [
        (chat(antroute={"budget_usd": 0}), 402, "budget_exceeded", False),
        (chat(antroute={"requires": ["telepathy"]}), 409, "no_candidate", False),
        (chat(model="small"), 503, "model_unavailable", True),
        (chat(model="large"), 502, "model_refused", False),
    ]
    for body, status, code, is_retryable in expected:
        for stream in (False, True):
            response = await http.post(URL, json={**body, "stream": stream})
            error = response.json()["error"]
            assert (response.status_code, error["code"]) == (status, code)
            assert (error["retryable"], response.headers["x-should-retry"]) == (is_retryable, str(is_retryable).lower())
            assert response.headers["x-antroute-decision-id"] == error["decision_id"]
            stored = (await http.get(f"/v1/decisions/{error['decision_id']}")).json()
            assert stored["outcomes"][0]["error_code"] == code


async def test_slow_answer_is_a_504(make_http: MakeHttp) -> None:
    http = await make_http(small=GatedLLM(["a"]))
    response = await http.post(URL, json=chat(model="small", antroute={"timeout_seconds": 0.05}))
    assert (response.status_code, response.json()["error"]["code"]) == (504, "deadline_exceeded")


async def test_unknown_model_is_not_found(make_http: MakeHttp) -> None:
    http = await make_http()
    for model, code in (("gpt-9", "model_not_found"), ("auto:magic", "unknown_policy")):
        response = await http.post(URL, json=chat(model=model))
        assert (response.status_code, response.json()["error"]["code"]) == (404, code)
    assert (await http.get("/v1/models/gpt-9")).json()["error"]["code"] == "model_not_found"
    assert (await http.get("/v1/models/small")).json()["id"] == "small"
    assert (await http.post("/v1/route", json={"text": "Hi", "model": "gpt-9"})).status_code == 422


async def test_unknown_policy_is_refused(make_http: MakeHttp) -> None:
    http = await make_http()
    response = await http.post(URL, json=chat(model="auto:magic"))
    assert (response.status_code, response.json()["error"]["code"]) == (404, "unknown_policy")
    assert "'magic'" in response.json()["error"]["message"]


async def test_error_after_the_first_word_travels_as_an_event(make_http: MakeHttp) -> None:
    model = GatedLLM(["one", "two"], error=AnswerCut("The model died."))
    model.gate.set()
    http = await make_http(small=model, large=model)
    response = await http.post(URL, json=chat(stream=True))
    assert response.status_code == 200
    error = events(response)[-1]["error"]
    assert isinstance(error, dict)
    assert (error["code"], error["decision_id"]) == ("answer_cut", response.headers["x-antroute-decision-id"])


async def test_characters_that_json_cannot_hold_do_not_break_the_answer(make_http: MakeHttp) -> None:
    http = await make_http(small=lambda request: "a\ud800b\x00", candidates=CANDIDATES[:1])
    assert (await http.post(URL, json=chat())).json()["choices"][0]["message"]["content"] == "a\ufffdb\ufffd"
    assert "a\ufffdb\ufffd" in (await http.post(URL, json=chat(stream=True))).text


async def disconnect(service: Service, model: GatedLLM, body: dict[str, object], *, after: int) -> None:
    """Sends the request to the application itself and leaves after so many messages."""
    left = asyncio.Event()
    if not after:
        left.set()
    sent: list[object] = []
    content = json.dumps(body).encode()
    received = iter([{"type": "http.request", "body": content, "more_body": False}])

    async def receive() -> dict[str, object]:
        message = next(received, None)
        if message is None:
            await left.wait()
            return {"type": "http.disconnect"}
        return message

    async def send(message: object) -> None:
        sent.append(message)
        if len(sent) == after:
            left.set()

    scope = {
        "type": "http", "method": "POST", "path": URL, "raw_path": URL.encode(), "query_string": b"",
        "headers": [(b"content-type", b"application/json")], "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1", "scheme": "http", "server": ("test", 80), "client": ("test", 1), "root_path": "",
    }  # fmt: skip
    async with asyncio.timeout(10):
        await make_app(service)(scope, receive, send)
        await asyncio.gather(*service.runs, return_exceptions=True)


async def test_client_that_leaves_before_a_whole_answer_stops_the_model(make_service: MakeService) -> None:
    model = GatedLLM(["one", "two"])
    service = await make_service(small=model)
    await disconnect(service, model, chat(model="small"), after=0)
    assert not model.gate.is_set()
    [stored] = await service.stores.decisions.find(DecisionFilter())
    assert [o.status for o in await service.stores.decisions.outcomes_of(stored.decision.id)] == ["cancelled"]
    assert (await service.stores.budgets.get("default")).held_usd == 0


@pytest.mark.parametrize("after", [0, 1, 2, 3])
async def test_client_that_leaves_in_mid_stream_is_settled(after: int, make_service: MakeService) -> None:
    model = GatedLLM(["one", "two"])
    service = await make_service(small=model)
    await disconnect(service, model, chat(model="small", stream=True), after=after)
    assert model.was_cancelled
    account = await service.stores.budgets.get("default")
    assert account.held_usd == 0
    assert account.spent_usd > 0
