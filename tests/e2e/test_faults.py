"""Each way in which an endpoint can fail: who answers instead, at what cost, and what trace and caller are told.

Both models are remote; `cheap` is asked first and misbehaves, `dear` is the one that is left.
"""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import httpx
import pytest

from orchestrator.bootstrap import bootstrap
from orchestrator.reading import Attempt, Trace
from orchestrator.rest.app import make_app
from orchestrator.service import Service
from orchestrator.settings import Settings
from tests.e2e.misbehaving import USAGE, Misbehaving, misbehaving

Cost = Literal["nothing", "worst case", "what was counted", "what came"]
PRICES = {"price_input_usd_per_mtok": "1", "price_output_usd_per_mtok": "2"}
QUESTION = "What is the capital of France?"
TIMEOUT_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What becomes of the first attempt; without a code it answers itself."""

    fault: str
    code: str | None
    cost: Cost
    streamed_code: str | None = None  # where it differs
    streamed_cost: Cost | None = None
    loses_words: bool = False  # streamed, some words are out before it fails: nobody can take over


CASES = [
    Expected(fault="refused", code="model_unavailable", cost="nothing"),
    Expected(fault="too_many", code="model_unavailable", cost="nothing"),
    Expected(fault="broken", code="model_unavailable", cost="nothing"),
    Expected(fault="hang", code="model_unavailable", cost="worst case"),
    Expected(fault="hang_after_head", code="answer_cut", cost="worst case"),
    Expected(fault="truncated", code="answer_cut", cost="worst case", streamed_cost="what came", loses_words=True),
    Expected(fault="no_json", code="answer_cut", cost="worst case"),
    Expected(fault="drip", code="answer_cut", cost="worst case", streamed_cost="what came", loses_words=True),
    Expected(fault="reset_after", code="model_unavailable", cost="worst case"),
    Expected(
        fault="reset_in_answer", code="answer_cut", cost="worst case", streamed_cost="what came", loses_words=True
    ),
    Expected(fault="wrong_type", code=None, cost="what was counted"),
    Expected(fault="huge", code="answer_cut", cost="worst case"),
    Expected(fault="error_object", code="answer_cut", cost="worst case"),
    Expected(fault="no_choices", code="answer_cut", cost="what was counted"),
    Expected(fault="no_usage", code=None, cost="what came"),
    Expected(fault="absurd_usage", code=None, cost="what came"),
    Expected(fault="redirect", code="model_refused", cost="nothing"),
]
parametrized = pytest.mark.parametrize("case", CASES, ids=[case.fault for case in CASES])


@pytest.fixture(scope="module")
def upstream() -> Iterator[Misbehaving]:
    with misbehaving() as found:
        yield found


@dataclass
class Gateway:
    """A service over two endpoints, and a client of its HTTP application."""

    service: Service
    http: httpx.AsyncClient

    async def ask(self, **more: object) -> httpx.Response:
        body = {"model": "auto", "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 50, **more}
        return await self.http.post("/v1/chat/completions", json=body)

    async def trace(self, response: httpx.Response) -> Trace:
        if run_id := response.headers.get("x-antroute-run-id"):
            return await self.service.trace(run_id)
        decision = (await self.service.attempt(response.headers["x-antroute-decision-id"])).decision
        return await self.service.trace(decision.run_id)

    async def check_books(self, trace: Trace) -> None:
        account = await self.service.stores.budgets.get("default")
        assert account.spent_usd == trace.cost_usd
        assert account.held_usd == 0


@pytest.fixture
async def gateways() -> AsyncIterator[list[Gateway]]:
    """All are closed at the end."""
    made: list[Gateway] = []
    yield made
    for gateway in made:
        await gateway.http.aclose()
        await gateway.service.close()


async def gateway_over(upstream: Misbehaving, made: list[Gateway], fault: str, **changes: Any) -> Gateway:
    def remote(url: str, factor: int) -> dict[str, object]:
        prices = {name: str(int(price) * factor) for name, price in PRICES.items()}
        capabilities = ["chat", "stream"]
        given = {"base_url": url, "timeout_seconds": TIMEOUT_SECONDS, "capabilities": capabilities}
        return {"provider": "openai", **given, **prices}

    models: Any = {"cheap": remote(url_of(upstream, fault), 1), "dear": remote(upstream.url("good"), 10)}
    candidates: Any = [{"agent": "single_turn", "model": name, "id": name} for name in models]
    given = {
        "models": models,
        "candidates": candidates,
        "policy": "cheapest",
        "seed": 7,
        "encoder": "hashing",
        **changes,
    }
    service = await bootstrap(Settings(store_url="memory:", **given))
    transport = httpx.ASGITransport(app=make_app(service))
    made.append(Gateway(service, httpx.AsyncClient(transport=transport, base_url="http://localhost")))
    return made[-1]


def url_of(upstream: Misbehaving, fault: str) -> str:
    if fault != "refused":
        return upstream.url(fault)
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


def check_cost(attempt: Attempt, cost: Cost) -> None:
    (outcome,) = attempt.outcomes
    worst, counted = attempt.decision.budget_reserved_usd, Decimal(9 + 2 * USAGE["completion_tokens"]) / 1_000_000
    if cost == "what came":
        assert 0 < outcome.cost_usd < worst
    else:
        assert outcome.cost_usd == {"nothing": 0, "worst case": worst, "what was counted": counted}[cost]


@parametrized
async def test_fault_of_a_whole_answer(upstream: Misbehaving, gateways: list[Gateway], case: Expected) -> None:
    gateway = await gateway_over(upstream, gateways, case.fault)
    response = await gateway.ask()
    assert (response.status_code, response.json()["choices"][0]["message"]["content"]) == (200, "Paris")
    trace = await gateway.trace(response)
    first, *others = trace.attempts
    assert first.decision.candidate_id == "cheap"
    assert first.outcomes[0].error_code == case.code
    assert [each.decision.candidate_id for each in others] == ([] if case.code is None else ["dear"])
    check_cost(first, case.cost)
    assert Decimal(response.headers["x-antroute-cost-usd"]) == trace.cost_usd
    await gateway.check_books(trace)


@parametrized
async def test_fault_of_a_streamed_answer(upstream: Misbehaving, gateways: list[Gateway], case: Expected) -> None:
    gateway = await gateway_over(upstream, gateways, case.fault)
    response = await gateway.ask(stream=True)
    assert response.status_code == 200
    events = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    said = [json.loads(event) for event in events[:-1]]
    errors = [event["error"]["code"] for event in said if "error" in event]
    trace = await gateway.trace(response)
    first, *others = trace.attempts
    code = case.streamed_code or case.code
    assert first.outcomes[0].error_code == code
    if case.loses_words:
        assert (errors, others) == ([code], [])
        assert response.headers["x-antroute-candidate"] == "cheap"
    else:
        words = [choice["delta"].get("content") or "" for event in said for choice in event.get("choices", ())]
        assert ("".join(words), errors) == ("Paris", [])
        assert [each.decision.candidate_id for each in others] == ([] if code is None else ["dear"])
    check_cost(first, case.streamed_cost or case.cost)
    await gateway.check_books(trace)


async def test_who_asks_for_time_is_left_alone_at_once_and_the_decision_says_until_when(
    upstream: Misbehaving, gateways: list[Gateway]
) -> None:
    gateway = await gateway_over(upstream, gateways, "too_many")
    before = len(upstream.asked.get("too_many", []))
    await gateway.ask()
    trace = await gateway.trace(await gateway.ask())
    (only,) = trace.attempts
    assert only.decision.candidate_id == "dear"
    (reason,) = [each.mask_reason for each in only.decision.assessments if each.candidate_id == "cheap"]
    assert reason is not None
    assert "failed 1 time in a row, next try in 30 s" in reason
    assert len(upstream.asked["too_many"]) == before + 1


async def test_a_request_that_may_be_billed_is_sent_once(upstream: Misbehaving, gateways: list[Gateway]) -> None:
    for fault in ("hang", "reset_after", "error_object", "huge"):
        before = len(upstream.asked.get(fault, []))
        await (await gateway_over(upstream, gateways, fault)).ask()
        assert len(upstream.asked[fault]) == before + 1


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_with_nobody_left_the_caller_is_told_and_a_resting_endpoint_says_when(
    upstream: Misbehaving, gateways: list[Gateway], is_streamed: bool
) -> None:
    candidates = [{"agent": "single_turn", "model": "cheap", "id": "cheap"}]
    gateway = await gateway_over(upstream, gateways, "too_many", candidates=candidates)
    first = await gateway.ask(stream=is_streamed)
    assert (first.status_code, first.headers["retry-after"]) == (503, "30")
    assert first.json()["error"]["code"] == "model_unavailable"
    second = await gateway.ask(stream=is_streamed)
    assert (second.status_code, second.headers["retry-after"]) == (503, "30")
    assert "next try in 30 s" in second.json()["error"]["message"]
    assert (await gateway.http.get("/readyz")).status_code == 503
    assert float(second.headers["x-antroute-overhead-ms"]) >= 0


async def test_a_caller_s_own_bad_request_opens_no_breaker(upstream: Misbehaving, gateways: list[Gateway]) -> None:
    gateway = await gateway_over(upstream, gateways, "redirect")
    for _ in range(4):
        await gateway.ask()
    assert gateway.service.nodes.health.states() == {}
