"""litellm, for real, against a server on loopback."""

from __future__ import annotations

import json
import socket
from dataclasses import replace

import pytest

from agents.embedding import EmbeddingRequest
from agents.errors import AnswerCut, ModelRefused, ModelUnavailable
from agents.llm import LLM, Chunk
from agents.llm_litellm import LiteLLM
from agents.retries import TransientFailure
from storage.call_records import CallOptions
from storage.records import TokenUsage
from tests.agents.fake_upstream import REQUEST, WHOLE_STREAM, FakeUpstream, Reply, delta, plain, streamed

# what litellm and pydantic have to say to each other; pytest resets the filters that the adapter itself sets
pytestmark = [
    pytest.mark.filterwarnings("ignore:Item '.*' on TypedDict class:UserWarning"),
    pytest.mark.filterwarnings("ignore:Accessing the 'model_(computed_)?fields':DeprecationWarning"),
]
KEY = "sk-canary-1234567890"
JSON = {"Content-Type": "application/json"}


def client(upstream: FakeUpstream) -> LiteLLM:
    return LiteLLM(model="openai/m", api_key=KEY, api_base=upstream.address, timeout_seconds=30)


async def chunks_of(llm: LLM) -> list[Chunk]:
    return [chunk async for chunk in llm.stream(REQUEST)]


async def test_an_answer_comes_with_what_the_provider_counted(upstream: FakeUpstream) -> None:
    upstream.replies = [plain()]
    completion = await client(upstream).complete(REQUEST)
    assert (completion.text, completion.usage) == ("Hi there", TokenUsage(input=5, cache_read=4, output=2))
    assert upstream.bodies[0]["seed"] == 7


async def test_a_stream_ends_with_the_whole_completion(upstream: FakeUpstream) -> None:
    upstream.replies = [streamed(*WHOLE_STREAM)]
    *deltas, last = await chunks_of(client(upstream))
    assert "".join(chunk.delta for chunk in deltas) == "Hi there"
    assert last.completion is not None
    assert last.completion.usage == TokenUsage(input=5, cache_read=4, output=2)


async def test_a_stream_without_an_end_is_cut(upstream: FakeUpstream) -> None:
    upstream.replies = [streamed(delta("Hi"), delta(" the"))]
    with pytest.raises(AnswerCut, match="without an end mark") as caught:
        await chunks_of(client(upstream))
    assert caught.value.usage_so_far.output > 0


async def test_a_stream_that_dies_is_cut(upstream: FakeUpstream) -> None:
    upstream.replies = [streamed(delta("Hi"), delta(" the"), is_dropped=True)]
    with pytest.raises(AnswerCut):
        await chunks_of(client(upstream))


async def test_a_refusal_shows_no_key(upstream: FakeUpstream) -> None:
    upstream.replies = [Reply(status=400, headers=JSON, pieces=[f'{{"error": {{"message": "no {KEY}"}}}}'.encode()])]
    with pytest.raises(ModelRefused, match=r"no \*\*\*") as caught:
        await client(upstream).complete(REQUEST)
    assert KEY not in f"{caught.value!r} {client(upstream)!r}"
    assert len(upstream.bodies) == 1


async def test_a_passing_failure_is_tried_again(upstream: FakeUpstream) -> None:
    upstream.replies = [Reply(status=503, headers=JSON, pieces=[b"{}"]), plain()]
    assert (await client(upstream).complete(REQUEST)).text == "Hi there"
    assert len(upstream.bodies) == 2


@pytest.mark.parametrize("is_hanging", [True, False], ids=["silent", "closed"])
async def test_a_request_without_a_status_may_be_billed_and_is_not_sent_again(
    upstream: FakeUpstream, is_hanging: bool
) -> None:
    upstream.replies = [Reply(status=0, is_hanging=is_hanging), plain()]
    llm = LiteLLM(model="openai/m", api_key=KEY, api_base=upstream.address, timeout_seconds=2 if is_hanging else 30)
    with pytest.raises(ModelUnavailable) as caught:
        await llm.complete(REQUEST)
    assert caught.value.may_be_billed
    assert len(upstream.bodies) == 1


@pytest.mark.parametrize(("status", "tries"), [(500, 1), (504, 3)])
async def test_a_status_is_free(upstream: FakeUpstream, status: int, tries: int) -> None:
    upstream.replies = [Reply(status=status, headers=JSON, pieces=[b"{}"])]
    with pytest.raises(ModelUnavailable) as caught:
        await client(upstream).complete(REQUEST)
    assert not caught.value.may_be_billed
    assert len(upstream.bodies) == tries


async def test_a_closed_port_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    llm = LiteLLM(model="openai/m", api_key=KEY, api_base=f"http://127.0.0.1:{port}/v1", timeout_seconds=30)
    with pytest.raises(TransientFailure) as caught:
        await llm.complete(REQUEST)
    assert not caught.value.may_be_billed


async def test_a_password_in_the_address_is_not_shown(upstream: FakeUpstream) -> None:
    address = upstream.address.replace("://", "://user:canary-password@")
    llm = LiteLLM(model="openai/m", api_key=KEY, api_base=address, timeout_seconds=30, max_attempts=1)
    with pytest.raises(ModelUnavailable) as caught:
        await llm.complete(REQUEST)
    assert "canary-password" not in f"{llm!r} {caught.value}"


async def test_an_overloaded_model_says_when_to_come_back(upstream: FakeUpstream) -> None:
    upstream.replies = [Reply(status=429, headers=JSON | {"Retry-After": "3600"}, pieces=[b"{}"])]
    with pytest.raises(ModelUnavailable) as caught:
        await client(upstream).complete(REQUEST)
    assert caught.value.retry_after_seconds == 3600


async def test_tools_and_their_calls_go_through(upstream: FakeUpstream) -> None:
    tools = '[{"type":"function","function":{"name":"look","parameters":{"type":"object","properties":{}}}}]'
    calls = [{"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    upstream.replies = [plain(message=message, finish_reason="tool_calls")]
    (reply,) = (await client(upstream).complete(replace(REQUEST, call=CallOptions(tools=tools)))).replies
    assert [(call.id, call.name, call.arguments) for call in reply.tool_calls] == [("c", "look", "{}")]
    assert upstream.bodies[0]["tools"] == json.loads(tools)


async def test_texts_are_embedded(upstream: FakeUpstream) -> None:
    rows = [{"object": "embedding", "index": place, "embedding": [float(place), 0.5]} for place in (1, 0)]
    usage = {"prompt_tokens": 4, "total_tokens": 4}
    body = {"object": "list", "data": rows, "model": "m", "usage": usage}
    upstream.replies = [Reply(headers=JSON, pieces=[json.dumps(body).encode()])]
    found = await client(upstream).embed(EmbeddingRequest(texts=("a", "b")))
    assert (found.vectors, found.usage) == (((0.0, 0.5), (1.0, 0.5)), TokenUsage(input=4))
