"""The remote client: the embedded verbs and errors, over HTTP."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import fields

import httpx
import pytest

from agents.errors import AnswerCut, ModelUnavailable
from orchestrator.checkers import Checker
from orchestrator.client import Client
from orchestrator.errors import BodyTooLarge, NotAuthenticated, ServerUnreachable
from orchestrator.rest.app import make_app
from orchestrator.service import Run, Service, Started
from routing.errors import NoCandidate, UnknownPolicy
from storage.errors import BudgetExceeded, IdempotencyConflict, InvalidInput, RecordNotFound, ServiceError
from storage.records import Generation, Message
from tests.conftest import MakeService, fails
from tests.orchestrator.doubles import GatedLLM
from tests.orchestrator.rest_app import ADMIN_KEY

QUESTION = "What is the capital of France?"
OF_THE_CALL = {"run_id", "decision_id", "latency_seconds", "overhead_seconds", "spent"}


def client_of(service: Service, *, key: str | None = None, sent: str | None = None) -> Client:
    return Client("http://localhost/v1/", key=sent, transport=httpx.ASGITransport(app=make_app(service, key=key)))


@pytest.fixture
async def service(make_service: MakeService) -> Service:
    return await make_service(large=fails)


@pytest.fixture
async def client(service: Service) -> AsyncIterator[Client]:
    async with client_of(service) as client:
        yield client


async def test_run_is_the_embedded_one(service: Service, client: Client) -> None:
    ours, theirs = await service.run(QUESTION, candidate="small"), await client.run(QUESTION, candidate="small")
    for each in fields(Run):
        if each.name in OF_THE_CALL:
            assert type(getattr(ours, each.name)) is type(getattr(theirs, each.name))
        else:
            assert getattr(ours, each.name) == getattr(theirs, each.name)


async def test_every_option_arrives(service: Service, client: Client) -> None:
    run = await client.run(
        QUESTION,
        policy="thompson",
        budget_usd="0.002",
        timeout_seconds=5,
        generation=Generation(max_output_tokens=9, temperature=0.3, seed=4, stop=("x",)),
        messages=(Message(role="system", content="Be brief."),),
        requires=("chat",),
        metadata={"a": "b"},
    )
    decision = (await service.attempt(run.decision_id)).decision
    assert (decision.policy, str(decision.budget_before_usd)) == ("thompson", "0.002000000")


async def test_checker_judges_here_and_teaches_there(service: Service, client: Client) -> None:
    run = await client.run(QUESTION, candidate="small", checker=Checker(kind="exact", expected="Paris"))
    assert run.quality == 1.0
    attempt = await service.attempt(run.decision_id)
    assert [(o.quality, o.judged_by) for o in attempt.outcomes] == [(None, None), (1.0, "verifier")]


async def test_stream_is_the_embedded_one(service: Service, client: Client) -> None:
    pieces = [piece async for piece in client.stream(QUESTION, candidate="small")]
    started, *words, run = pieces
    assert isinstance(started, Started)
    assert isinstance(run, Run)
    assert (words, run.answer, started.decision_id) == (["Paris"], "Paris", run.decision_id)
    assert run.cost_usd == (await service.attempt(run.decision_id)).cost_usd


async def test_preview_feedback_and_trace_work_remotely(client: Client) -> None:
    assert (await client.route(QUESTION, candidate="small"))["candidate_id"] == "small"
    run = await client.run(QUESTION, candidate="small")
    first = await client.feedback(run.decision_id, quality=1.0, idempotency_key="k")
    assert await client.feedback(run.decision_id, quality=1.0, idempotency_key="k") == first
    with pytest.raises(IdempotencyConflict):
        await client.feedback(run.decision_id, quality=0.0, idempotency_key="k")
    assert (await client.trace(run.run_id))["answer"] == "Paris"


@pytest.mark.parametrize(
    ("text", "options", "error"),
    [
        ("", {}, InvalidInput),
        (QUESTION, {"budget_usd": 0}, BudgetExceeded),
        (QUESTION, {"budget_usd": "much"}, InvalidInput),
        (QUESTION, {"requires": ("telepathy",)}, NoCandidate),
        (QUESTION, {"policy": "magic"}, UnknownPolicy),
        (QUESTION, {"candidate": "large"}, ModelUnavailable),
        (QUESTION, {"candidate": "nobody"}, InvalidInput),
        (QUESTION, {"budgte_usd": 1}, InvalidInput),
    ],
)
async def test_errors_are_the_embedded_ones(
    text: str, options: dict[str, object], error: type[ServiceError], service: Service, client: Client
) -> None:
    raised = []
    for runner in (service, client):
        with pytest.raises(error) as caught:
            await runner.run(text, **options)  # type: ignore[arg-type]  # also wrong ones
        raised.append(caught.value)
    ours, theirs = raised
    assert type(ours) is type(theirs)
    assert (str(ours), ours.hint, getattr(ours, "field", "")) == (
        str(theirs),
        theirs.hint,
        getattr(theirs, "field", ""),
    )
    assert (ours.decision_id is None) == (theirs.decision_id is None)
    service.nodes.health.succeeded("large")  # else it rests after two failures
    with pytest.raises(error):
        await anext(client.stream(text, **options))  # type: ignore[arg-type]  # also wrong ones


async def test_unknown_run_is_not_found(client: Client) -> None:
    with pytest.raises(RecordNotFound):
        await client.trace("run_0000000000000000")


async def test_options_of_the_embedded_one_are_refused(client: Client) -> None:
    with pytest.raises(InvalidInput, match="Only the embedded orchestrator takes account"):
        await client.run(QUESTION, account="mine")


async def test_key_is_sent(service: Service) -> None:
    async with client_of(service, key=ADMIN_KEY, sent=ADMIN_KEY) as client:
        assert (await client.run(QUESTION, candidate="small")).answer == "Paris"
    async with client_of(service, key=ADMIN_KEY) as client:
        with pytest.raises(NotAuthenticated):
            await client.run(QUESTION)


async def test_body_that_is_too_large_is_an_input_error(client: Client) -> None:
    with pytest.raises(BodyTooLarge) as raised:
        await client.run("x" * 2_000_000)
    assert isinstance(raised.value, InvalidInput)


async def test_error_after_the_first_word_is_raised(make_service: MakeService) -> None:
    model = GatedLLM(["one", "two"], error=AnswerCut("The model died."))
    model.gate.set()
    service = await make_service(small=model)
    got = []
    async with client_of(service) as client:
        with pytest.raises(AnswerCut, match="died"):
            async for piece in client.stream(QUESTION, candidate="small"):
                got.append(piece)
    assert got[1:] == ["one"]


async def test_nobody_there_is_told_with_what_to_do() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        async with Client(address) as client:
            with pytest.raises(ServerUnreachable, match="did not answer") as raised:
                await client.run(QUESTION)
            with pytest.raises(ServerUnreachable):
                await anext(client.stream(QUESTION))
    assert "antroute serve" in raised.value.hint


class ForeignServer(httpx.AsyncBaseTransport):
    """Somebody else's server, which answers with what it is given."""

    def __init__(self, status: int, content: bytes, content_type: str = "text/html") -> None:
        self.response = (status, content, content_type)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        status, content, content_type = self.response

        async def body() -> AsyncGenerator[bytes, None]:
            yield content

        return httpx.Response(status, content=body(), headers={"content-type": content_type})


async def test_strangers_answers_are_told_as_such() -> None:
    for status, content in ((200, b"<html>"), (502, b"<html>"), (500, b"[]")):
        async with Client("http://localhost", transport=ForeignServer(status, content)) as client:
            with pytest.raises(ServiceError, match="answered"):
                await client.run(QUESTION)


async def test_stream_that_just_ends_is_a_cut_answer(service: Service) -> None:
    async with client_of(service) as client:
        whole = [piece async for piece in client.stream(QUESTION, candidate="small")]
    assert isinstance(whole[-1], Run)
    headers = {
        "x-antroute-run-id": "run_1", "x-antroute-decision-id": "decision_1", "x-antroute-candidate": "small",
        "x-antroute-reserved-usd": "0.1", "x-antroute-overhead-ms": "1.0", "content-type": "text/event-stream",
    }  # fmt: skip
    chunk = b'data: {"choices": [{"delta": {"content": "Pa"}, "finish_reason": null}]}\n\n'

    class Ending(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, content=chunk, headers=headers)

    async with Client("http://localhost", transport=Ending()) as client:
        with pytest.raises(AnswerCut, match="ended before"):
            _ = [piece async for piece in client.stream(QUESTION)]
