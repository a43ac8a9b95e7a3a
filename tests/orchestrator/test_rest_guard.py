"""What stands before every route: the key and the size of the body."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

import pytest

from tests.orchestrator.rest_app import ADMIN_KEY, MakeHttp, chat

CHAT = "/v1/chat/completions"
ROUTES = [
    ("POST", CHAT), ("GET", "/v1/models"), ("POST", "/v1/route"), ("GET", "/v1/decisions"), ("GET", "/v1/decisions/x"),
    ("POST", "/v1/decisions/x/outcomes"), ("GET", "/v1/traces/x"), ("POST", "/v1/audit/verify"), ("GET", "/metrics"),
    ("GET", "/.well-known/ldp-identity"), ("GET", "/openapi.json"), ("GET", "/v1/nothing"), ("GET", "/"),
    ("GET", "/v1/routers"), ("GET", "/v1/routers/x"),
    ("POST", "/v1/routers/x/promote"), ("POST", "/v1/routers/x/shadow"), ("POST", "/v1/routers/x/retire"),
    ("POST", "/v1/routers/rollback"), ("GET", "/v1/skills"), ("GET", "/v1/skills/x"), ("POST", "/v1/skills/search"),
    ("POST", "/v1/skills/x/allow"), ("POST", "/v1/skills/x/remove"), ("GET", "/v1/budgets"), ("GET", "/v1/budgets/x"),
    ("GET", "/v1/memory"), ("GET", "/v1/memory/x/picture.svg"),
]  # fmt: skip


async def test_routes_listed_here_are_all_there_are(make_http: MakeHttp) -> None:
    paths = (await (await make_http()).get("/openapi.json")).json()["paths"]
    listed = {path.replace("/x", "/{id}") for _, path in ROUTES}
    known = {"/v1/decisions/{decision_id}": "/v1/decisions/{id}", "/v1/traces/{run_id}": "/v1/traces/{id}"}
    known["/v1/decisions/{decision_id}/outcomes"] = "/v1/decisions/{id}/outcomes"
    known["/v1/budgets/{account_id}"] = "/v1/budgets/{id}"
    known["/v1/memory/{memory}/picture.svg"] = "/v1/memory/{id}/picture.svg"
    known |= {
        path: re.sub(r"\{(router|skill)_id\}", "{id}", path) for path in paths if "r_id}" in path or "l_id}" in path
    }
    assert {known.get(path, path) for path in paths} - {"/healthz", "/readyz"} <= listed


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
