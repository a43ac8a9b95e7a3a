"""Each of OpenAI's error classes, raised by OpenAI's own client for what our service says."""

from __future__ import annotations

import json
import socket

import openai
import pytest

from tests.e2e.antroute import SCRIPTED, Home
from tests.e2e.test_openai_client import MESSAGES

ADMIN_KEY = "k" * 40


def client(address: str, key: str = ADMIN_KEY) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{address}/v1", api_key=key, timeout=30, max_retries=0)


def test_wrong_key_is_an_authentication_error_on_every_route(home: Home) -> None:
    with home.served(ANTROUTE_SERVER__ADMIN_KEY=ADMIN_KEY) as server:
        wrong = client(server.address, "wrong")
        for call in (
            lambda: wrong.chat.completions.create(model="auto", messages=MESSAGES),
            lambda: wrong.responses.create(model="auto", input="Hi"),
            lambda: wrong.embeddings.create(model="minilm", input="Hi"),
            lambda: wrong.models.list(),
        ):
            with pytest.raises(openai.AuthenticationError):
                call()
        assert client(server.address).chat.completions.create(model="auto", messages=MESSAGES).choices


def test_key_that_asked_too_often_is_a_rate_limit_error(home: Home) -> None:
    made = home.run("keys", "create", "often", "--requests-per-minute", "1", "--json")
    key = json.loads(made.stdout)["key"]
    with home.served(ANTROUTE_SERVER__ADMIN_KEY=ADMIN_KEY) as server:
        often = client(server.address, key)
        often.chat.completions.create(model="auto", messages=MESSAGES)
        with pytest.raises(openai.RateLimitError) as caught:
            often.chat.completions.create(model="auto", messages=MESSAGES)
    assert int(caught.value.response.headers["retry-after"]) > 0


def test_model_that_is_away_is_an_internal_server_error(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    away = Home(
        home.folder,
        {
            **SCRIPTED,
            "models": {"small": {"provider": "openai", "base_url": address}},
            "candidates": [{"agent": "single_turn", "model": "small", "id": "small"}],
        },
    )
    with away.served() as server, pytest.raises(openai.InternalServerError) as caught:
        client(server.address).chat.completions.create(model="auto", messages=MESSAGES)
    assert (caught.value.status_code, caught.value.code) == (503, "model_unavailable")
