"""The OpenAI-compatible client against a real server with every fault."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import replace

import aiohttp
import pytest

from agents.errors import AnswerCut, ModelRefused, ModelUnavailable
from agents.llm import Chunk, Completion
from agents.llm_openai import BODY_BYTES_LIMIT, OpenAILLM
from storage.records import Generation, Message, TokenUsage
from tests.agents.fake_upstream import (
    REQUEST,
    USAGE,
    WHOLE_STREAM,
    FakeUpstream,
    Reply,
    delta,
    plain,
    streamed,
    usage_event,
)

KEY = "sk-canary-1234567890"


def client(upstream: FakeUpstream, **settings: float) -> OpenAILLM:
    return OpenAILLM(base_url=upstream.address, model="m", api_key=KEY, **settings)  # type: ignore[arg-type]  # numbers


async def complete(upstream: FakeUpstream, **settings: float) -> Completion:
    llm = client(upstream, **settings)
    try:
        return await llm.complete(REQUEST)
    finally:
        await llm.close()


async def stream(upstream: FakeUpstream, **settings: float) -> list[Chunk]:
    llm = client(upstream, **settings)
    try:
        return [chunk async for chunk in llm.stream(REQUEST)]
    finally:
        await llm.close()


async def test_an_answer_comes_with_what_the_provider_counted(upstream: FakeUpstream) -> None:
    upstream.replies = [plain(logprobs={"content": [{"token": "Hi", "logprob": -0.25}]})]
    completion = await complete(upstream)
    assert completion.text == "Hi there"
    assert completion.usage == TokenUsage(input=5, cache_read=4, output=2)
    assert (completion.response_id, completion.token_logprobs) == ("answer-1", (-0.25,))


async def test_a_request_carries_its_generation_and_the_key(upstream: FakeUpstream) -> None:
    upstream.replies = [plain()]
    generation = Generation(max_output_tokens=3, temperature=0.5, seed=1, stop=("\n",))
    llm = client(upstream)
    await llm.complete(replace(REQUEST, generation=generation, wants_logprobs=True))
    await llm.close()
    sent = upstream.bodies[0]
    assert {name: sent[name] for name in ("model", "max_tokens", "temperature", "seed", "stop", "logprobs")} == {
        "model": "m", "max_tokens": 3, "temperature": 0.5, "seed": 1, "stop": ["\n"], "logprobs": True,
    }  # fmt: skip
    assert upstream.headers[0]["authorization"] == f"Bearer {KEY}"


async def test_a_stream_ends_with_the_whole_completion(upstream: FakeUpstream) -> None:
    upstream.replies = [streamed(*WHOLE_STREAM)]
    *deltas, last = await stream(upstream)
    assert [chunk.delta for chunk in deltas] == ["Hi", " there"]
    assert last.completion is not None
    assert (last.completion.text, last.completion.usage.cache_read) == ("Hi there", 4)
    assert upstream.bodies[0]["stream_options"] == {"include_usage": True}


async def test_a_stream_without_a_count_is_estimated(upstream: FakeUpstream) -> None:
    upstream.replies = [streamed(delta("Hi"), delta(" there", finish_reason="length"))]
    last = (await stream(upstream))[-1].completion
    assert last is not None
    assert (last.usage, last.finish_reason) == (TokenUsage(input=2, output=3), "length")


@pytest.mark.parametrize(
    "reply",
    [
        streamed(delta("Hi"), delta(" the")),
        streamed(delta("Hi"), delta(" the"), is_dropped=True),
        streamed(delta("Hi"), delta(" the"), b"data: {not json\n\n"),
        streamed(delta("Hi"), delta(" the"), b'data: {"error": {"message": "out of memory"}}\n\n'),
        streamed(delta("Hi"), delta(" the"), b"data: " + b"x" * 1_100_000),
        streamed(delta("Hi"), delta(" the"), is_hanging=True),
    ],
    ids=["ends early", "dies", "garbage", "error event", "endless event", "hangs"],
)
async def test_a_broken_stream_is_cut_and_what_came_is_paid(upstream: FakeUpstream, reply: Reply) -> None:
    upstream.replies = [reply]
    received = []
    llm = client(upstream, timeout_seconds=1)
    with pytest.raises(AnswerCut, match="broke off after 2 pieces") as caught:
        async for chunk in llm.stream(REQUEST):
            received.append(chunk.delta)
    await llm.close()
    assert received == ["Hi", " the"]
    assert caught.value.usage_so_far == TokenUsage(input=2, output=2)
    assert len(upstream.bodies) == 1  # nothing is sent twice once something came back


@pytest.mark.parametrize(
    "pieces",
    [
        [b"<html>no json"],
        [b"[" * 100_000],
        [b'{"choices": []}'],
        [b"x" * 2**20] * 5,
        [b'{"choices": [{"message": 1}]}'],
    ],
    ids=["html", "nested", "no choice", "oversized", "wrong type"],
)
async def test_an_answer_that_is_no_completion_is_cut(upstream: FakeUpstream, pieces: list[bytes]) -> None:
    upstream.replies = [Reply(pieces=pieces)]
    with pytest.raises(AnswerCut) as caught:
        await complete(upstream)
    assert caught.value.usage_so_far.input == 2
    received_bytes = sum(map(len, pieces))
    # of an oversized body, the rest is not received
    assert min(received_bytes, BODY_BYTES_LIMIT) / 3 <= caught.value.usage_so_far.output <= received_bytes / 3 + 1
    assert len(str(caught.value)) < 600


async def test_an_answer_that_is_no_completion_costs_what_it_says(upstream: FakeUpstream) -> None:
    body = {"choices": [{"message": 1}], "usage": USAGE}
    upstream.replies = [Reply(pieces=[json.dumps(body).encode()])]
    with pytest.raises(AnswerCut) as caught:
        await complete(upstream)
    assert caught.value.usage_so_far == TokenUsage(input=5, cache_read=4, output=2)


async def test_a_broken_stream_of_long_pieces_costs_more_than_a_token_a_piece(upstream: FakeUpstream) -> None:
    upstream.replies = [streamed(delta("long " * 30), delta("é"), is_dropped=True)]
    with pytest.raises(AnswerCut) as caught:
        await stream(upstream)
    assert caught.value.usage_so_far.output == 51  # 152 bytes


@pytest.mark.parametrize("is_hanging", [True, False], ids=["silent", "closed"])
@pytest.mark.parametrize("call", [complete, stream])
async def test_a_request_without_a_status_may_be_billed_and_is_not_sent_again(
    upstream: FakeUpstream, call: Callable[..., Awaitable[object]], is_hanging: bool
) -> None:
    upstream.replies = [Reply(status=0, is_hanging=is_hanging), plain()]
    with pytest.raises(ModelUnavailable) as caught:
        await call(upstream, timeout_seconds=0.5 if is_hanging else 30)
    assert caught.value.may_be_billed
    assert len(upstream.bodies) == 1


async def test_an_answer_that_breaks_off_in_its_body_is_cut(upstream: FakeUpstream) -> None:
    upstream.replies = [Reply(pieces=[b'{"choices": '], is_dropped=True)]
    with pytest.raises(AnswerCut):
        await complete(upstream)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_passing_failure_is_tried_again(upstream: FakeUpstream, status: int) -> None:
    upstream.replies = [Reply(status=status), plain()]
    assert (await complete(upstream)).text == "Hi there"
    assert len(upstream.bodies) == 2


async def test_a_short_retry_after_is_waited_for(upstream: FakeUpstream) -> None:
    upstream.replies = [Reply(status=429, headers={"Retry-After": "1"}), plain()]
    start = time.monotonic()
    await complete(upstream)
    assert time.monotonic() - start >= 1


async def test_a_long_retry_after_is_told_instead(upstream: FakeUpstream) -> None:
    upstream.replies = [Reply(status=429, headers={"Retry-After": "3600"}, pieces=[b'{"error": {"message": "slow"}}'])]
    with pytest.raises(ModelUnavailable, match="429: slow") as caught:
        await complete(upstream)
    assert caught.value.retry_after_seconds == 3600
    assert len(upstream.bodies) == 1


async def test_an_internal_error_is_not_tried_again(upstream: FakeUpstream) -> None:
    upstream.replies = [Reply(status=500, pieces=[b"boom " * 1000])]
    with pytest.raises(ModelUnavailable, match="500: boom") as caught:
        await complete(upstream)
    assert len(upstream.bodies) == 1
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("status", [302, 400, 401, 404, 422])
async def test_a_refusal_says_what_the_upstream_said_but_no_key(upstream: FakeUpstream, status: int) -> None:
    message = f'{{"error": {{"message": "bad key {KEY}"}}}}'.encode()
    upstream.replies = [Reply(status=status, headers={"Location": upstream.address}, pieces=[message])]
    with pytest.raises(ModelRefused, match=rf"{status}: bad key \*\*\*") as caught:
        await complete(upstream)
    assert KEY not in f"{caught.value!r} {client(upstream)!r}"
    assert len(upstream.bodies) == 1


async def test_a_closed_port_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    llm = OpenAILLM(base_url=f"http://user:{KEY}@127.0.0.1:{port}/v1", model="m", max_attempts=2)
    with pytest.raises(ModelUnavailable, match="cannot be reached") as caught:
        await llm.complete(REQUEST)
    await llm.close()
    assert KEY not in str(caught.value)
    assert not caught.value.may_be_billed


async def test_a_refused_connection_is_tried_again(upstream: FakeUpstream) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        refusing = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    upstream.replies = [plain()]
    addresses = [refusing, upstream.address]

    class Moving(OpenAILLM):
        """Is at another address with every try."""

        @property
        def base_url(self) -> str:
            return addresses[0]

        @base_url.setter
        def base_url(self, url: str) -> None:
            """Kept in `addresses`."""

        async def _send(self, body: bytes, path: str, *, seconds_left: float) -> aiohttp.ClientResponse:
            try:
                return await super()._send(body, path, seconds_left=seconds_left)
            finally:
                del addresses[:-1]

    llm = Moving(base_url="", model="m")
    assert (await llm.complete(REQUEST)).text == "Hi there"
    await llm.close()


async def test_a_silent_endpoint_is_unavailable_after_the_timeout(upstream: FakeUpstream) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        llm = OpenAILLM(base_url=f"http://127.0.0.1:{silent.getsockname()[1]}", model="m", timeout_seconds=0.2)
        with pytest.raises(ModelUnavailable, match=r"did not answer within 0\.2 s"):
            await llm.complete(REQUEST)
        await llm.close()


async def test_no_url_is_refused() -> None:
    llm = OpenAILLM(base_url="nonsense", model="m")
    with pytest.raises(ModelRefused, match="is no URL"):
        await llm.complete(REQUEST)
    await llm.close()


@pytest.mark.parametrize("url", [f"http://user:{KEY}@:x/v1", f"user:{KEY}@host", f"http://[{KEY}@host/v1"])
async def test_a_url_that_is_none_is_refused_without_its_credentials(url: str) -> None:
    llm = OpenAILLM(base_url=url, model="m", api_key="k")
    with pytest.raises(ModelRefused, match="is no URL") as caught:
        await llm.complete(REQUEST)
    await llm.close()
    assert KEY not in "".join(traceback.format_exception(caught.value)) + repr(llm)


async def test_a_count_that_cannot_be_is_not_believed(upstream: FakeUpstream) -> None:
    upstream.replies = [plain(usage={"prompt_tokens": -5, "completion_tokens": 10**30})]
    assert (await complete(upstream)).usage == TokenUsage(input=2, output=3)
    upstream.replies = [streamed(delta("Hi", finish_reason="stop"), usage_event({"prompt_tokens": True}))]
    assert (await stream(upstream))[-1].completion.usage == TokenUsage(input=2, output=1)  # type: ignore[union-attr]  # last


async def test_text_that_is_no_utf_8_is_sent_as_a_question_mark(upstream: FakeUpstream) -> None:
    upstream.replies = [plain()]
    llm = client(upstream)
    await llm.complete(replace(REQUEST, messages=(Message(role="user", content="a\ud800b"),)))
    await llm.close()
    assert upstream.bodies[0]["messages"] == [{"role": "user", "content": "a?b"}]


def test_one_client_serves_several_event_loops() -> None:
    llm = OpenAILLM(base_url="http://127.0.0.1:9/v1", model="m")

    async def ask() -> str:
        async with FakeUpstream() as upstream:
            upstream.replies = [plain()]
            llm.base_url = upstream.address
            return (await llm.complete(REQUEST)).text

    assert [asyncio.run(ask()) for _ in range(2)] == ["Hi there"] * 2
    asyncio.run(llm.close())
