"""Keys and tenants over HTTP, and what their limits do to requests."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from orchestrator.keys.access import AccessRules
from orchestrator.keys.rates import FAILURES_PER_MINUTE
from orchestrator.service import Service
from storage.key_records import RateLimits
from tests.conftest import MakeService
from tests.orchestrator.doubles import GatedLLM
from tests.orchestrator.rest_app import MakeHttp, chat
from tests.orchestrator.rest_keys import CHAT, RULES, SECRET, Holder, holder, keyring_of


@pytest.fixture
async def service(make_service: MakeService) -> Service:
    return await make_service()


@pytest.fixture
async def http(service: Service, make_http: MakeHttp) -> httpx.AsyncClient:
    return await make_http(service=service, rules=RULES)


@pytest.fixture
async def admin(service: Service) -> Holder:
    return await holder(service, role="admin", name="root")


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


async def made(http: httpx.AsyncClient, admin: Holder, **body: Any) -> dict[str, Any]:
    response = await http.post("/v1/keys", json={"name": "bot", **body}, headers=admin.headers)
    assert response.status_code == 201, response.text
    assert response.headers["cache-control"] == "no-store"
    key: dict[str, Any] = response.json()
    return key


async def test_key_made_over_http_lets_in_and_is_shown_without_its_text(
    http: httpx.AsyncClient, admin: Holder, service: Service
) -> None:
    key = await made(http, admin, role="reader", budget={"usd": 2.5}, rates={"requests_per_minute": 10})
    assert (await http.get("/v1/models", headers=bearer(key["key"]))).status_code == 200
    listed = await http.get("/v1/keys", headers=admin.headers)
    shown = await http.get(f"/v1/keys/{key['id']}", headers=admin.headers)
    assert [each["name"] for each in listed.json()["keys"]] == ["root", "bot"]
    assert shown.json()["account"]["limits"]["usd"] == "2.500000000"
    digest = (await service.stores.keys.get(key["id"])).digest
    for response in (listed, shown):
        assert key["key"] not in response.text
        assert digest not in response.text


async def test_revoked_key_is_refused_by_the_next_request(http: httpx.AsyncClient, admin: Holder) -> None:
    key = await made(http, admin)
    assert (await http.get("/v1/models", headers=bearer(key["key"]))).status_code == 200
    gone = await http.delete(f"/v1/keys/{key['id']}", headers=admin.headers)
    assert gone.json()["state"] == "revoked"
    refused = await http.get("/v1/models", headers=bearer(key["key"]))
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert "was revoked" in refused.json()["error"]["message"]


async def test_rotated_key_and_its_successor_both_let_in_until_the_grace_is_over(
    http: httpx.AsyncClient, admin: Holder
) -> None:
    key = await made(http, admin)
    rotate = f"/v1/keys/{key['id']}/rotate"
    successor = (await http.post(rotate, json={"grace_seconds": 60}, headers=admin.headers)).json()
    for text in (key["key"], successor["key"]):
        assert (await http.get("/v1/models", headers=bearer(text))).status_code == 200
    assert (await http.delete(f"/v1/keys/{key['id']}", headers=admin.headers)).json()["state"] == "revoked"
    assert (await http.get("/v1/models", headers=bearer(key["key"]))).status_code == 401
    assert (await http.get("/v1/models", headers=bearer(successor["key"]))).status_code == 200


async def test_limits_that_are_changed_hold_at_once_and_what_is_not_named_stays(
    http: httpx.AsyncClient, admin: Holder
) -> None:
    key = await made(http, admin, budget={"usd": 1, "tokens": 1000}, rates={"parallel_requests": 4})
    change = {"budget": {"usd": None}, "rates": {"requests_per_minute": 1}}
    changed = (await http.patch(f"/v1/keys/{key['id']}", json=change, headers=admin.headers)).json()
    assert changed["rates"] == {"requests_per_minute": 1, "tokens_per_minute": None, "parallel_requests": 4}
    assert (changed["account"]["limits"]["usd"], changed["account"]["limits"]["tokens"]) == (None, 1000)
    statuses = [(await http.get("/v1/models", headers=bearer(key["key"]))).status_code for _ in range(2)]
    assert statuses == [200, 429]


async def test_tenants_limits_hold_for_all_its_keys(http: httpx.AsyncClient, admin: Holder) -> None:
    tenant = {"name": "sales", "budget": {"usd": 0}}
    assert (await http.post("/v1/tenants", json=tenant, headers=admin.headers)).status_code == 201
    one, two = [await made(http, admin, name=name, tenant="sales") for name in ("one", "two")]
    assert (await http.post(CHAT, json=chat(), headers=bearer(one["key"]))).status_code == 402
    change = {"budget": {"usd": 1}, "rates": {"requests_per_minute": 2}}
    changed = (await http.patch("/v1/tenants/sales", json=change, headers=admin.headers)).json()
    assert changed["account"]["limits"]["usd"] == "1.000000000"
    answers = [await http.post(CHAT, json=chat(), headers=bearer(key["key"])) for key in (one, two, one)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    listed = (await http.get("/v1/tenants", headers=admin.headers)).json()["tenants"]
    assert [each["name"] for each in listed] == ["default", "sales"]


async def test_budgets_are_taken_as_the_text_in_which_they_are_told(http: httpx.AsyncClient, admin: Holder) -> None:
    key = await made(http, admin, budget={"usd": "0.01"})
    changed = (
        await http.patch(f"/v1/keys/{key['id']}", json={"budget": {"usd": "0.015"}}, headers=admin.headers)
    ).json()
    assert changed["account"]["limits"]["usd"] == "0.015000000"
    told = {"budget": {"usd": changed["account"]["limits"]["usd"]}}
    tenant = await http.post("/v1/tenants", json={"name": "sales", **told}, headers=admin.headers)
    assert tenant.status_code == 201
    again = (await http.patch("/v1/tenants/sales", json=told, headers=admin.headers)).json()
    assert again["account"]["limits"]["usd"] == "0.015000000"
    for odd in ("nan", "inf", "1e3", "-1", "", " 1", "1,5", "٣", "0x1", True, "1" * 99):
        answer = await http.post("/v1/keys", json={"name": "x", "budget": {"usd": odd}}, headers=admin.headers)
        assert (answer.status_code, answer.json()["error"]["param"]) == (422, "budget.usd")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/keys", {"name": ""}, 422), ("/v1/keys", {"name": "x", "role": "king"}, 422),
        ("/v1/keys", {"name": "x", "tenant": "nobody"}, 404), ("/v1/keys", {"name": "x", "digest": "0"}, 422),
        ("/v1/keys", {"name": "x", "rates": {"requests_per_minute": 0}}, 422), ("/v1/keys", {"name": "root"}, 422),
        ("/v1/keys", {"name": "x", "budget": {"usd": -1}}, 422), ("/v1/keys", {"name": "x\x00"}, 422),
        ("/v1/keys", {"name": "x", "expires_in_seconds": 0}, 422), ("/v1/tenants", {"name": "Not So"}, 422),
        ("/v1/tenants", {"name": "default"}, 422), ("/v1/keys/key_none/rotate", {}, 404),
    ],
    ids=range(12),
)  # fmt: skip
async def test_odd_wish_is_refused_by_its_field(
    path: str, body: dict[str, Any], status: int, http: httpx.AsyncClient, admin: Holder
) -> None:
    response = await http.post(path, json=body, headers=admin.headers)
    assert (response.status_code, "error" in response.json()) == (status, True)


async def test_answer_says_how_much_is_left_and_a_refusal_how_long_to_wait(
    service: Service, http: httpx.AsyncClient
) -> None:
    key = await holder(service, rates=RateLimits(requests_per_minute=2, tokens_per_minute=100_000))
    answers = [await http.post(CHAT, json=chat(), headers=key.headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    told = [answer.headers["x-ratelimit-remaining-requests"] for answer in answers]
    assert told == ["1", "0", "0"]
    tokens = [int(answer.headers["x-ratelimit-remaining-tokens"]) for answer in answers]
    used = [answer.json()["usage"]["total_tokens"] for answer in answers[:2]]
    assert [100_000 - tokens[1], 100_000 - tokens[2]] == [used[0], used[0] + used[1]]
    refusal = answers[2]
    assert 1 <= int(refusal.headers["retry-after"]) <= 120
    assert refusal.headers["x-should-retry"] == "true"
    assert refusal.json()["error"]["code"] == "rate_limited"


async def test_streamed_answers_tokens_count_too(service: Service, http: httpx.AsyncClient) -> None:
    key = await holder(service, rates=RateLimits(tokens_per_minute=1000))
    await http.post(CHAT, json=chat(stream=True), headers=key.headers)
    after = await http.get("/v1/models", headers=key.headers)
    assert int(after.headers["x-ratelimit-remaining-tokens"]) < 1000


async def test_when_the_tokens_are_spent_no_more_is_asked(service: Service, http: httpx.AsyncClient) -> None:
    key = await holder(service, rates=RateLimits(tokens_per_minute=1))
    statuses = [(await http.post(CHAT, json=chat(), headers=key.headers)).status_code for _ in range(2)]
    assert statuses == [200, 429]


async def test_requests_at_one_time_are_limited_and_freed(make_service: MakeService, make_http: MakeHttp) -> None:
    gated = GatedLLM(["Par", "is"])
    service = await make_service(small=gated, large=gated)
    http = await make_http(service=service, rules=RULES)
    key = await holder(service, rates=RateLimits(parallel_requests=1))
    first = asyncio.create_task(http.post(CHAT, json=chat(), headers=key.headers))
    await gated.has_begun.wait()
    beside = await http.get("/v1/models", headers=key.headers)
    assert (beside.status_code, beside.headers["retry-after"]) == (429, "1")
    gated.gate.set()
    assert (await first).status_code == 200
    assert (await http.get("/v1/models", headers=key.headers)).status_code == 200


async def test_after_many_wrong_keys_an_address_waits_but_good_keys_of_it_go_on(
    service: Service, http: httpx.AsyncClient
) -> None:
    good = await holder(service, role="reader")
    assert (await http.get("/v1/models", headers=good.headers)).status_code == 200
    wrong = [await http.get("/v1/models", headers=bearer(f"ak_{n:043d}")) for n in range(FAILURES_PER_MINUTE + 1)]
    assert [each.status_code for each in wrong] == [401] * FAILURES_PER_MINUTE + [429]
    assert int(wrong[-1].headers["retry-after"]) >= 1
    assert (await http.get("/v1/models", headers=good.headers)).status_code == 200


async def test_on_loopback_whoever_sends_no_key_is_the_local_operator(service: Service, make_http: MakeHttp) -> None:
    http = await make_http(service=service, rules=AccessRules(secret=SECRET))
    key = await holder(service, tenant="sales", role="reader")
    for headers in ({}, bearer("sk-whatever-a-client-must-send"), {"authorization": "Basic YTpi"}):
        assert (await http.get("/v1/keys", headers=headers)).status_code == 200
    assert (await http.get("/v1/keys", headers=key.headers)).status_code == 403
    assert (await http.get("/v1/models", headers=bearer("ak_" + "x" * 43))).status_code == 401


async def test_key_that_must_be_sent_is_demanded_on_loopback_too(service: Service, make_http: MakeHttp) -> None:
    http = await make_http(service=service, rules=AccessRules(secret=SECRET, requires_key=True))
    assert (await http.get("/v1/models")).status_code == 401
    for open_path in ("/healthz", "/readyz"):
        assert (await http.get(open_path)).status_code == 200
    assert "notices" not in (await http.get("/readyz")).json()


@pytest.mark.parametrize(
    "sent", [b"Bearer " + b"x" * 100_000, b"Bearer \xff\xfe", b"Bearer", b"Bearer \xc3\xa9", b"bearer ak_", b"\x80"],
    ids=range(6),
)  # fmt: skip
async def test_odd_header_is_refused_as_any_wrong_key(sent: bytes, http: httpx.AsyncClient) -> None:
    response = await http.get("/v1/models", headers=[(b"authorization", sent)])
    assert (response.status_code, response.json()["error"]["code"]) == (401, "not_authenticated")


async def test_change_made_beside_the_application_is_heeded_within_seconds(
    service: Service, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await holder(service, role="reader")
    assert (await http.get("/v1/models", headers=key.headers)).status_code == 200
    await keyring_of(service).revoke(key.id)
    monkeypatch.setattr("orchestrator.keys.authenticator.REMEMBERED_SECONDS", 0.0)  # the time has passed
    assert (await http.get("/v1/models", headers=key.headers)).status_code == 401
