"""Every route against every role and every kind of bad key, generated from the application's OpenAPI document."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.keys.key_text import new_text
from orchestrator.keys.keyring import KeyWish
from orchestrator.rest.roles import LEAST_ROLE, RoleTable, may
from storage.key_records import KEY_ROLES, KeyRole
from storage.records import utc_now
from tests.conftest import MakeService
from tests.orchestrator.rest_app import MakeHttp
from tests.orchestrator.rest_keys import RULES, filled, holder, keyring_of, routes_of

TEMPLATE_TO_LEAST = {(method, path.replace(":path", "")): least for (method, path), least in LEAST_ROLE.items()}


async def test_every_route_stands_in_the_table(make_http: MakeHttp) -> None:
    assert set(await routes_of(await make_http(), {})) - set(TEMPLATE_TO_LEAST) == set()


async def test_every_path_finds_its_own_row(make_http: MakeHttp) -> None:
    table, routes = RoleTable(), await routes_of(await make_http(), {})
    found = {route: table.least(route[0], filled(route[1])) for route in routes}
    assert found == {route: TEMPLATE_TO_LEAST[route] for route in routes}


@pytest.mark.parametrize("role", KEY_ROLES)
async def test_route_answers_whoever_has_its_role_and_nobody_below(
    role: KeyRole, make_service: MakeService, make_http: MakeHttp
) -> None:
    service = await make_service()
    http = await make_http(service=service, rules=RULES)
    admin, key = await holder(service, role="admin", name="root"), await holder(service, role=role)
    wrong = []
    for method, template in await routes_of(http, admin.headers):
        response = await http.request(method, filled(template), headers=key.headers)
        is_let_in = response.status_code not in (401, 403)
        if is_let_in is not may(role, TEMPLATE_TO_LEAST[method, template]):
            wrong.append((method, template, response.status_code))
    assert wrong == []


@pytest.mark.parametrize("kind", ["none", "wrong", "odd", "revoked", "expired", "basic"])
async def test_no_route_but_the_open_ones_answers_without_a_good_key(
    kind: str, make_service: MakeService, make_http: MakeHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.keys.rates.FAILURES_PER_MINUTE", 1000)
    service = await make_service()
    http = await make_http(service=service, rules=RULES)
    admin = await holder(service, role="admin", name="root")
    headers = await _bad_headers(kind, service)
    wrong = []
    for method, template in await routes_of(http, admin.headers):
        response = await http.request(method, filled(template), headers=headers)
        is_open = TEMPLATE_TO_LEAST[method, template] == "open"
        if (response.status_code == 401) is is_open:
            wrong.append((method, template, response.status_code))
        if not is_open:
            assert response.json()["error"]["code"] == "not_authenticated"
    assert wrong == []


async def _bad_headers(kind: str, service: object) -> dict[str, str]:
    keyring = keyring_of(service)  # type: ignore[arg-type]
    if kind == "revoked":
        new = await keyring.create(KeyWish(name="gone", role="admin"))
        await keyring.revoke(new.key.id)
        return {"authorization": f"Bearer {new.text}"}
    if kind == "expired":
        past = utc_now() - timedelta(days=2)
        keyring._now = lambda: past
        new = await keyring.create(KeyWish(name="old", role="admin", expires_at=past + timedelta(days=1)))
        return {"authorization": f"Bearer {new.text}"}
    return {
        "none": {},
        "wrong": {"authorization": f"Bearer {new_text()}"},
        "odd": {"authorization": "Bearer ' OR 1=1; --"},
        "basic": {"authorization": "Basic YTpi"},
    }[kind]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/nothing"), ("DELETE", "/v1/decisions"), ("GET", "/v1/decisions/"), ("GET", "//v1/decisions"),
        ("PUT", "/v1/models"), ("OPTIONS", "/v1/keys"), ("GET", "/v1/routers/a/b"), ("get", "/v1/models"),
        ("GET", "/v1/models\n"), ("HEAD", "/openapi.json"),
    ],
    ids=range(10),
)  # fmt: skip
def test_what_is_not_in_the_table_is_the_admins(method: str, path: str) -> None:
    assert RoleTable().least(method, path) == "admin"


def test_of_two_rows_that_fit_the_stricter_one_holds() -> None:
    table = RoleTable({("GET", "/a/{x:path}"): "reader", ("GET", "/a/{x}/secret"): "operator"})
    assert table.least("GET", "/a/b/secret") == "operator"
    assert table.least("GET", "/a/b") == "reader"


async def test_route_that_is_not_in_the_table_is_refused_to_all_but_the_admin(
    make_service: MakeService, make_http: MakeHttp
) -> None:
    service = await make_service()
    http = await make_http(service=service, rules=RULES)
    operator, admin = [await holder(service, role=role) for role in ("operator", "admin")]  # type: ignore[arg-type]
    refused = await http.get("/v1/nothing", headers=operator.headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_permitted")
    assert (await http.get("/v1/nothing", headers=admin.headers)).status_code == 404
