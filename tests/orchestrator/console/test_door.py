"""Cookie in place of key, pages in place of JSON errors, and no form from elsewhere."""

from __future__ import annotations

import pytest

from orchestrator.rest.console.session import COOKIE, Sessions
from tests.conftest import MakeService
from tests.orchestrator.rest_app import MakeHttp
from tests.orchestrator.rest_keys import RULES, SECRET, holder, keyring_of

OWN = {"sec-fetch-site": "same-origin"}


async def test_on_loopback_without_keys_the_console_opens_at_once(make_http: MakeHttp) -> None:
    answer = await (await make_http()).get("/console")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")


async def test_every_page_forbids_inline_scripts_and_foreign_sources(make_http: MakeHttp) -> None:
    answer = await (await make_http()).get("/console")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert " style=" not in answer.text and "<script>" not in answer.text and " onclick" not in answer.text


async def test_who_has_no_key_is_sent_to_the_login_and_back(make_http: MakeHttp) -> None:
    http = await make_http(rules=RULES)
    answer = await http.get("/console/decisions?policy=table")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/console/login?next=%2Fconsole%2Fdecisions%3Fpolicy%3Dtable"


async def test_a_key_logs_in_and_its_revocation_ends_the_session(
    make_http: MakeHttp, make_service: MakeService
) -> None:
    service = await make_service()
    reader = await holder(service, role="reader")
    http = await make_http(service=service, rules=RULES)
    sent = {"key": reader.text, "next": "/console"}
    answer = await http.post("/console/login", data=sent, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/console" in cookie
    assert reader.text not in cookie
    assert (await http.get("/console")).status_code == 200
    assert (await http.get("/v1/decisions")).status_code == 401  # the cookie is no key elsewhere
    await keyring_of(service).revoke(reader.id)
    later = await make_http(service=service, rules=RULES)
    later.cookies.set(COOKIE, http.cookies[COOKIE], path="/console")
    assert (await later.get("/console")).status_code == 303


async def test_a_wrong_key_is_refused_in_words(make_http: MakeHttp) -> None:
    http = await make_http(rules=RULES)
    answer = await http.post("/console/login", data={"key": "ant_wrong"}, headers=OWN)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers and 'role="alert"' in answer.text


@pytest.mark.parametrize(
    "wanted",
    ["https://example.org/", "//example.org", "/\\example.org", "/v1/keys", "javascript:alert(1)", "/consolex"],
)
async def test_the_login_sends_nobody_elsewhere(make_http: MakeHttp, make_service: MakeService, wanted: str) -> None:
    service = await make_service()
    reader = await holder(service, role="reader")
    http = await make_http(service=service, rules=RULES)
    answer = await http.post("/console/login", data={"key": reader.text, "next": wanted}, headers=OWN)
    assert answer.headers["location"] == "/console"


@pytest.mark.parametrize(
    "headers",
    [{}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "http://localhost:3000"}],
)
async def test_a_form_of_another_page_is_refused(make_http: MakeHttp, headers: dict[str, str]) -> None:
    http = await make_http()
    answer = await http.post("/console/logout", headers=headers)
    assert answer.status_code == 403 and "was not sent by a page of this service" in answer.text


async def test_an_unknown_page_is_an_error_in_words_and_a_part_stays_a_part(make_http: MakeHttp) -> None:
    http = await make_http()
    whole = await http.get("/console/nowhere")
    assert whole.status_code == 404 and "<!doctype html>" in whole.text
    part = await http.get("/console/nowhere", headers={"hx-request": "true"})
    assert 'role="alert"' in part.text and "<!doctype" not in part.text


async def test_files_are_kept_by_browsers_and_unknown_ones_are_not_found(make_http: MakeHttp) -> None:
    http = await make_http(rules=RULES)
    page = (await http.get("/console/login")).text
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    answer = await http.get(address)
    assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
    assert (await http.get("/console/static/x/secret.py")).status_code == 404


def test_a_cookie_of_another_service_opens_nothing() -> None:
    sealed = Sessions(b"other" * 10).sealed("ant_key")
    cookie = f"{COOKIE}={sealed}".encode()
    assert Sessions(b"other" * 10).key_in(cookie) == "ant_key"
    assert Sessions(SECRET).key_in(cookie) is None


@pytest.mark.parametrize("cookies", [b"", b"antroute_console=x", b"\xff=\xfe", b"a" * 5000, b'antroute_console="'])
def test_a_broken_cookie_is_none(cookies: bytes) -> None:
    assert Sessions(SECRET).key_in(cookies) is None
