"""The console of a service that demands a key: who comes in, what each role is offered, who is sent away."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.commands import done
from tests.browser.places import visited
from tests.browser.visitor import NARROW, Visitor, visiting
from tests.e2e.antroute import Home

HEEDED_SECONDS = 5.0  # until another process's revocation must hold
CHAT = {"model": "auto", "messages": [{"role": "user", "content": "Hello there"}]}
HARMLESS = ("Search", "Verify")  # they read, and are sent as forms


@dataclass(frozen=True, kw_only=True)
class Locked:
    """A service that demands keys, with one decision in it, and a key for each role; two of tenants of their own."""

    home: Home
    address: str
    keys: dict[str, dict[str, str]]
    decision_id: str


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    home = Home(tmp_path_factory.mktemp("locked"))
    names = {"reader": "default", "writer": "default", "operator": "default", "admin": "default", "stranger": "sales"}
    said = done(
        home,
        ("tenants", "create", "sales", "--json"),
        *(key_of(name, tenant) for name, tenant in names.items()),
    )
    keys = {name: json.loads(text) for name, text in zip(names, said[1:], strict=True)}
    with home.served(ANTROUTE_SERVER__REQUIRES_KEY="true") as server:
        bearer = {"authorization": f"Bearer {keys['writer']['key']}"}
        answer = httpx.post(f"{server.address}/v1/chat/completions", json=CHAT, headers=bearer)
        decision_id = answer.json()["antroute"]["decision_id"]
        yield Locked(home=home, address=server.address, keys=keys, decision_id=decision_id)


def key_of(name: str, tenant: str) -> tuple[str, ...]:
    role = "reader" if name == "stranger" else name
    return ("keys", "create", name, "--role", role, "--tenant", tenant, "--json")


@pytest.fixture
def guest(browser: Browser, locked: Locked) -> Iterator[Visitor]:
    with visiting(browser, locked.address) as visitor:
        yield visitor


def log_in(visitor: Visitor, key: str) -> None:
    visitor.page.get_by_label("Key").fill(key)
    visitor.page.get_by_role("button", name="Log in").click()


def test_key_leads_back_to_the_page_that_was_wanted(guest: Visitor, locked: Locked) -> None:
    wanted = f"/console/decisions/{locked.decision_id}"
    guest.go(f"{wanted}?x=1")
    expect(guest.page).to_have_url(
        f"{locked.address}/console/login?next=%2Fconsole%2Fdecisions%2F{locked.decision_id}%3Fx%3D1"
    )
    guest.look(axe_rules=())
    log_in(guest, locked.keys["reader"]["key"])
    expect(guest.page.get_by_role("heading", name="Why this one")).to_be_visible()
    assert guest.page.url == f"{locked.address}{wanted}?x=1"
    guest.has_no_fault()


def test_key_is_kept_where_no_script_reads_it(guest: Visitor, locked: Locked) -> None:
    guest.go("/console")
    log_in(guest, locked.keys["reader"]["key"])
    expect(guest.page.get_by_role("heading", name="Overview")).to_be_visible()
    [cookie] = guest.page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/console")
    key = locked.keys["reader"]["key"]
    assert key not in cookie["value"]
    assert guest.page.evaluate("() => document.cookie") == ""
    assert key not in guest.page.content() + guest.page.url
    assert key not in guest.page.evaluate("() => JSON.stringify([localStorage, sessionStorage])")


def test_wrong_key_is_refused_in_words(guest: Visitor) -> None:
    guest.also_expected = (401,)
    guest.go("/console")
    log_in(guest, "ak_wrong")
    expect(guest.page.get_by_role("alert")).to_be_visible()
    expect(guest.page.get_by_label("Key")).to_be_visible()
    guest.look(axe_rules=())
    guest.has_no_fault()


def test_login_leads_nowhere_else(guest: Visitor, locked: Locked) -> None:
    for next_page in (
        "https://evil.example/console",
        "//evil.example/console",
        "/\\evil.example",
        "javascript:alert(1)",
    ):
        guest.page.goto(f"{locked.address}/console/login?next={next_page}")
        log_in(guest, locked.keys["reader"]["key"])
        expect(guest.page).to_have_url(f"{locked.address}/console")
        guest.page.get_by_role("button", name="Log out").click()
    guest.has_no_fault()


def test_reader_is_offered_nothing_that_is_forbidden(guest: Visitor, locked: Locked) -> None:
    guest.go("/console")
    log_in(guest, locked.keys["reader"]["key"])
    expect(guest.page.get_by_role("heading", name="Overview")).to_be_visible()
    menu = guest.page.get_by_role("navigation", name="Pages").get_by_role("link")
    pages = [str(link.get_attribute("href")) for link in menu.all()]
    assert "/console/decisions" in pages
    assert "/console/routers" not in pages
    for path in visited(guest, pages, (f"/console/decisions/{locked.decision_id}",)):
        for button in guest.page.locator("main form[method=post] button:visible").all():
            label = button.inner_text()
            assert button.is_disabled() or label in HARMLESS, f"{path} offers {label!r}"
    guest.has_no_fault()  # as an answer of 403 would be


def test_writer_may_judge(guest: Visitor, locked: Locked) -> None:
    guest.go(f"/console/decisions/{locked.decision_id}")
    log_in(guest, locked.keys["writer"]["key"])
    expect(guest.page.get_by_role("button", name="Judge")).to_be_visible()


def test_other_tenant_s_decision_is_not_there(guest: Visitor, locked: Locked) -> None:
    guest.also_expected = (404,)
    guest.go("/console/decisions")
    log_in(guest, locked.keys["stranger"]["key"])
    expect(guest.page.get_by_role("heading", level=1)).to_have_text("Decisions")
    assert locked.decision_id not in guest.page.content()
    answer = guest.go(f"/console/decisions/{locked.decision_id}")
    assert answer is not None and answer.status == 404
    guest.go("/console")
    expect(guest.page.locator("main")).not_to_contain_text("small")
    guest.has_no_fault()


def test_log_out_ends_it(guest: Visitor, locked: Locked) -> None:
    guest.go("/console")
    log_in(guest, locked.keys["reader"]["key"])
    guest.page.get_by_role("button", name="Log out").click()
    expect(guest.page.get_by_label("Key")).to_be_visible()
    guest.go("/console/decisions")
    expect(guest.page.get_by_label("Key")).to_be_visible()
    guest.has_no_fault()


def test_revoked_key_is_thrown_out_of_an_open_page(browser: Browser, locked: Locked) -> None:
    said = done(locked.home, ("keys", "create", "short", "--role", "reader", "--json"))
    key = json.loads(said[0])
    with visiting(browser, locked.address, size=NARROW) as guest:
        guest.go("/console/decisions")
        log_in(guest, key["key"])
        expect(guest.page.get_by_role("heading", level=1)).to_have_text("Decisions")
        done(locked.home, ("keys", "revoke", key["id"]))
        revoked = time.monotonic()
        guest.page.get_by_label("Key").wait_for(timeout=1000 * (HEEDED_SECONDS + 5))  # the list itself finds out
        assert time.monotonic() - revoked < HEEDED_SECONDS + 5
        assert "/console/login" in guest.page.url
