"""The front door over a real local model: real answers, and a model that is killed in mid-answer."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import openai
import pytest

from tests.e2e.antroute import Home, Server
from tests.local_model import SMALLEST_MODEL, smallest_model_path

pytestmark = pytest.mark.local_model

MESSAGES: Any = [{"role": "user", "content": "Write a long story about a whale."}]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The default settings, less the models that are too large for a test."""
    pytest.importorskip("xllamacpp", reason="local models need the extra `local`")
    file = str(smallest_model_path())
    model = {
        "provider": "local",
        "file": file,
        "price_input_usd_per_mtok": 0.02,
        "price_output_usd_per_mtok": 0.04,
        "capabilities": ["chat", "stream", "json", "logprobs"],
    }
    candidates = [{"agent": "single_turn", "model": SMALLEST_MODEL}]
    return Home(tmp_path_factory.mktemp("local"), {"models": {SMALLEST_MODEL: model}, "candidates": candidates})


@pytest.fixture(scope="module")
def server(local: Home) -> Iterator[Server]:
    with local.served() as server:
        yield server
        status, said = server.stop()
    assert status == 0
    assert "Traceback" not in said
    assert "stamina" not in said  # a retry is told where it belongs: in the outcome


@pytest.fixture
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.address}/v1", api_key="any", timeout=60, max_retries=0) as client:
        yield client


def test_real_answer_plain_and_streamed(client: openai.OpenAI) -> None:
    question: Any = [{"role": "user", "content": "What is the capital of France?"}]
    answer = client.chat.completions.create(model="auto", messages=question, max_tokens=16)
    assert answer.choices[0].message.content
    assert answer.model == f"single_turn/{SMALLEST_MODEL}"
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 16
    with client.chat.completions.create(model="auto", messages=question, max_tokens=16, stream=True) as stream:
        pieces = [choice.delta.content for chunk in stream for choice in chunk.choices if choice.delta.content]
    assert len(pieces) > 1
    assert "".join(pieces).strip() == answer.choices[0].message.content


@pytest.mark.parametrize("is_stream", [True, False])
def test_model_that_is_killed_in_mid_answer_is_told_recorded_and_started_again(
    is_stream: bool, client: openai.OpenAI, server: Server, local: Home
) -> None:
    client.chat.completions.create(model="auto", messages=MESSAGES, max_tokens=1)
    (model,) = server.children()
    error = killed_in_mid_stream(client, model) if is_stream else killed_in_mid_silence(server, model)
    assert error["code"] in {"answer_cut", "model_unavailable"}
    with httpx.Client(base_url=server.address, timeout=60) as http:
        decision = http.get(f"/v1/decisions/{error['decision_id']}").json()
        assert [outcome["status"] for outcome in decision["outcomes"]] == ["failed"]
        assert http.get("/healthz").status_code == 200
    assert client.chat.completions.create(model="auto", messages=MESSAGES, max_tokens=4).choices[0].message.content
    assert server.children() != [model]
    (account,) = [a for a in accounts(local) if a[0] == "default"]
    assert account[1] == 0  # nothing is held


def killed_in_mid_stream(client: openai.OpenAI, model: int) -> dict[str, Any]:
    stream = client.chat.completions.create(model="auto", messages=MESSAGES, max_tokens=2000, stream=True)
    with stream, pytest.raises(openai.APIError) as raised:
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                os.kill(model, signal.SIGKILL)
    assert isinstance(raised.value.body, dict)
    return raised.value.body


def killed_in_mid_silence(server: Server, model: int) -> dict[str, Any]:
    """Kills the model once the decision to ask it is stored."""
    body = {"model": "auto", "messages": MESSAGES, "max_tokens": 2000}
    killer = threading.Timer(1.0, os.kill, (model, signal.SIGKILL))
    killer.start()
    response = httpx.post(f"{server.address}/v1/chat/completions", json=body, timeout=60)
    killer.join()
    assert response.status_code == 503
    error: dict[str, Any] = response.json()["error"]
    return error


def accounts(home: Home) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(home.store_path)) as database:
        return database.execute("SELECT id, held_nano FROM budget_accounts").fetchall()


def test_log_is_whole_after_all_that(local: Home, server: Server) -> None:
    assert local.run("audit", "verify").returncode == 0


def test_json_by_schema_and_log_probabilities_of_a_real_model(client: openai.OpenAI) -> None:
    schema: Any = {
        "type": "json_schema",
        "json_schema": {
            "name": "person",
            "schema": {
                "type": "object",
                "properties": {"age": {"type": "integer"}},
                "required": ["age"],
                "additionalProperties": False,
            },
        },
    }
    told: Any = [{"role": "user", "content": "Tom is 7 years old."}]
    answer = client.chat.completions.create(
        model="auto", messages=told, max_tokens=30, response_format=schema, logprobs=True, top_logprobs=2
    )
    assert set(json.loads(answer.choices[0].message.content or "")) == {"age"}
    assert answer.choices[0].logprobs is not None
    assert answer.choices[0].logprobs.content
    with client.chat.completions.create(
        model="auto", messages=told, max_tokens=4, logprobs=True, stream=True
    ) as stream:
        assert any(choice.logprobs for chunk in stream for choice in chunk.choices)
