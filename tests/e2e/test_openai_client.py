"""OpenAI's own Python client against `antroute serve`, with only base_url and key changed."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import openai
import pytest

from tests.e2e.antroute import Server

MESSAGES: Any = [{"role": "user", "content": "Hello there"}]


@pytest.fixture
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.address}/v1", api_key="any", timeout=30) as client:
        yield client


def test_plain_answer(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=MESSAGES)
    answer = raw.parse()
    assert answer.choices[0].message.content == "You said: Hello there"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens > 0
    assert raw.headers["x-antroute-decision-id"] == answer.id
    assert raw.headers["x-antroute-candidate"] == answer.model
    assert Decimal(raw.headers["x-antroute-cost-usd"]) > 0
    assert 0 < float(raw.headers["x-antroute-overhead-ms"]) < 5000


def test_streamed_answer(client: openai.OpenAI) -> None:
    with client.chat.completions.create(
        model="auto", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == "You said: Hello there"
    assert sum(bool(choice.delta.content) for chunk in chunks for choice in chunk.choices) == 4  # word by word
    assert chunks[-1].usage is not None
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    assert chunks[0].id.startswith("decision_")


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert {"auto", "small", "large"} <= {model.id for model in client.models.list()}


@pytest.mark.parametrize("is_stream", [False, True])
def test_errors_are_read_by_the_client(is_stream: bool, client: openai.OpenAI, server: Server) -> None:
    before = requests(server)
    create = client.chat.completions.create
    with pytest.raises(openai.NotFoundError) as wrong:
        create(model="gpt-9", messages=MESSAGES, stream=is_stream)
    assert (wrong.value.code, wrong.value.param, wrong.value.type) == (
        "model_not_found",
        "model",
        "invalid_request_error",
    )
    assert "known: large, small" in wrong.value.message
    with pytest.raises(openai.APIStatusError) as poor:
        create(model="auto", messages=MESSAGES, stream=is_stream, extra_body={"antroute": {"budget_usd": 0}})
    assert (poor.value.status_code, poor.value.code) == (402, "budget_exceeded")
    with pytest.raises(openai.ConflictError) as nobody:
        create(model="auto", messages=MESSAGES, stream=is_stream, extra_body={"antroute": {"requires": ["wings"]}})
    assert "lacks 'wings'" in nobody.value.message
    assert nobody.value.response.headers["x-antroute-decision-id"]
    assert requests(server) - before == 3  # none was sent again in vain


def requests(server: Server) -> int:
    """Chat completions so far, whatever became of them."""
    lines = httpx.get(f"{server.address}/metrics").text.splitlines()
    ours = [line for line in lines if line.startswith('antroute_http_requests_total{route="/v1/chat/completions"')]
    return sum(int(float(line.rpartition(" ")[2])) for line in ours)


def test_answer_can_be_judged_and_explained(client: openai.OpenAI, server: Server) -> None:
    answer = client.chat.completions.create(model="auto", messages=MESSAGES)
    with httpx.Client(base_url=server.address) as http:
        verdict = http.post(f"/v1/decisions/{answer.id}/outcomes", json={"quality": 1})
        assert verdict.status_code == 201
        decision = http.get(f"/v1/decisions/{answer.id}").json()
        assert decision["rewards"][0]["outcome_id"] == verdict.json()["id"]
        assert http.get(f"/v1/traces/{decision['run_id']}").json()["answer"] == "You said: Hello there"
