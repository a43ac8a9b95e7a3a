"""What stands before every route: the key and the size of the body."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from tests.orchestrator.rest_app import ADMIN_KEY, MakeHttp, chat

CHAT = "/v1/chat/completions"
ROUTES = [
    ("POST", CHAT), ("GET", "/v1/models"), ("GET", "/v1/decisions/x"), ("POST", "/v1/audit/verify"),
    ("GET", "/metrics"), ("GET", "/openapi.json"), ("GET", "/v1/nothing"), ("GET", "/"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_without_the_key_nothing_is_told(method: str, path: str, make_http: MakeHttp) -> None:
    http = await make_http(key=ADMIN_KEY)
    wrong = [{}, {"authorization": "Bearer "}, {"authorization": f"Basic {ADMIN_KEY}"}, {"authorization": ADMIN_KEY}]
    wrong += [{"authorization": f"Bearer {ADMIN_KEY[:-1]}"}, {"authorization": f"Bearer {ADMIN_KEY}x"}]
    for headers in wrong:
        response = await http.request(method, path, headers=headers)
        assert (response.status_code, response.json()["error"]["code"]) == (401, "not_authenticated")
        assert response.headers["www-authenticate"] == "Bearer"


async def test_with_the_key_all_is_as_without_one(make_http: MakeHttp) -> None:
    http = await make_http(key=ADMIN_KEY)
    response = await http.post(CHAT, json=chat(), headers={"authorization": f"Bearer {ADMIN_KEY}"})
    assert response.status_code == 200


async def test_health_needs_no_key(make_http: MakeHttp) -> None:
    http = await make_http(key=ADMIN_KEY)
    assert [(await http.get(path)).status_code for path in ("/healthz", "/readyz")] == [200, 200]


async def test_body_that_says_it_is_too_large_is_not_read(make_http: MakeHttp) -> None:
    http = await make_http(body_bytes=1000)
    response = await http.post(CHAT, json=chat("x" * 2000))
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (413, "body_too_large", "body")
    assert "at most 1000" in error["message"]


async def test_body_without_a_length_is_broken_off_where_it_grows_too_large(make_http: MakeHttp) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x" * 100

    http = await make_http(body_bytes=1000)
    response = await http.post(CHAT, content=endless(), headers={"content-type": "application/json"})
    assert "content-length" not in response.request.headers
    assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")


async def test_body_in_pieces_within_the_limit_is_taken(make_http: MakeHttp) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        content = json.dumps(chat()).encode()
        for place in range(0, len(content), 10):
            yield content[place : place + 10]

    http = await make_http(body_bytes=1000)
    response = await http.post(CHAT, content=pieces(), headers={"content-type": "application/json"})
    assert response.status_code == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8765", "[::1]:8765", "127.0.0.2", "LOCALHOST:1"])
async def test_every_name_of_this_machine_is_served(host: str, make_http: MakeHttp) -> None:
    http = await make_http()
    assert (await http.get("/v1/models", headers={"host": host})).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "8.8.8.8"])
async def test_page_whose_name_was_bent_to_this_machine_reads_nothing(host: str, make_http: MakeHttp) -> None:
    http = await make_http()
    refused = await http.get("/v1/decisions", headers={"host": host})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_permitted")


async def test_with_a_key_any_name_is_served_to_who_has_it(make_http: MakeHttp) -> None:
    http = await make_http(key=ADMIN_KEY)
    headers = {"host": "antroute.example", "authorization": f"Bearer {ADMIN_KEY}"}
    assert (await http.get("/v1/models", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1.evil.example:80"},
        {"x-forwarded-for": "9.9.9.9"},
        {"forwarded": "for=9.9.9.9"},
        {"x-real-ip": "127.0.0.1"},
    ],
)
async def test_whoever_comes_from_elsewhere_is_not_the_local_operator(
    headers: dict[str, str], make_http: MakeHttp
) -> None:
    http = await make_http()
    refused = await http.post("/v1/webhook-secret/rotate", headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_permitted")
    with_key = await make_http(key=ADMIN_KEY)
    known = {**headers, "authorization": f"Bearer {ADMIN_KEY}"}
    assert (await with_key.get("/v1/models", headers=known)).status_code == 200


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1:8765", "http://[::1]:5173"])
async def test_page_of_this_machine_may_ask(origin: str, make_http: MakeHttp) -> None:
    http = await make_http()
    assert (await http.get("/v1/models", headers={"origin": origin})).status_code == 200
