"""What people do with decisions: find one, filter, watch them come, ask why, check, judge."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.questions import QUESTIONS
from tests.browser.served import FAILING, Site
from tests.browser.traffic import Caller, Made
from tests.browser.visitor import NARROW, WIDE, Visitor, visiting
from tests.e2e.antroute import COMMAND, STOP_SECONDS

SOON_SECONDS = 1.0  # from a decision's answer to its row on an open page
SLACK_SECONDS = 2.0  # for a machine whose cores are all at work
ROWS = "#rows tr[data-href]"


def shown_ids(page: Page) -> list[str]:
    return [str(row.get_attribute("data-href")).rpartition("/")[2] for row in page.locator(ROWS).all()]


def test_why_this_one_is_two_clicks_from_the_address_that_is_printed(browser: Browser, looking: str) -> None:
    """Beside the service that writes into the same store."""
    origin = looking.removesuffix("/console")
    with visiting(browser, origin) as visitor:
        visitor.page.goto(looking)
        leads_to_why(visitor)


def test_why_this_one_is_two_clicks_from_the_first_page(visitor: Visitor) -> None:
    visitor.go("/console")
    leads_to_why(visitor)


@pytest.fixture
def looking(busy_site: tuple[Site, Made]) -> Iterator[str]:
    """What `antroute console` says its address is."""
    home = busy_site[0].home
    process = subprocess.Popen(
        [*COMMAND, "console"], stderr=subprocess.PIPE, text=True, cwd=home.folder, env=home.environment()
    )
    try:
        assert process.stderr is not None
        yield next(found[1] for line in process.stderr if (found := re.search(r"is at (http://\S+)", line)))
    finally:
        process.kill()
        process.communicate(timeout=STOP_SECONDS)


def leads_to_why(visitor: Visitor) -> None:
    visitor.page.get_by_role("navigation", name="Pages").get_by_role("link", name="Decisions").click()
    visitor.page.locator(f"{ROWS} a").first.click()
    why = visitor.page.locator("#why")
    expect(why.get_by_role("heading", name="Why this one")).to_be_visible()
    expect(visitor.page.locator(".headline")).not_to_be_empty()
    visitor.look()
    visitor.has_no_fault()


def test_filter_makes_an_address_that_shows_the_same_again(visitor: Visitor, made: Made) -> None:
    visitor.go("/console/decisions")
    visitor.page.get_by_label("Policy").fill("thompson")
    visitor.page.get_by_label("Policy").press("Enter")
    visitor.page.wait_for_url("**policy=thompson*")
    expect(visitor.page.locator(f"{ROWS} td[data-name=Policy]").first).to_have_text("thompson")
    found = shown_ids(visitor.page)
    assert made.decisions["thompson"] in found
    assert made.decisions["uniform"] not in found
    address = visitor.page.url
    visitor.page.reload()
    assert shown_ids(visitor.page) == found
    visitor.page.goto("about:blank")
    visitor.page.goto(address)
    assert shown_ids(visitor.page) == found
    expect(visitor.page.get_by_label("Policy")).to_have_value("thompson")
    assert "=&" not in address and not address.endswith("=")
    visitor.has_no_fault()


def test_back_button_leads_to_the_list_before_the_filter(visitor: Visitor) -> None:
    visitor.go("/console/decisions")
    before = shown_ids(visitor.page)
    visitor.page.get_by_label("Status").select_option("failed")
    visitor.page.wait_for_url("**status=failed*")
    visitor.settle()
    assert len(shown_ids(visitor.page)) < len(before)
    visitor.page.go_back()
    visitor.page.wait_for_url("**/console/decisions")
    expect(visitor.page.locator(ROWS)).to_have_count(len(before))


def test_pages_of_the_list_show_every_decision_once(visitor: Visitor) -> None:
    visitor.go("/console/decisions")
    found = shown_ids(visitor.page)
    visitor.page.get_by_role("link", name="Older").click()
    visitor.page.wait_for_url("**before=*")
    visitor.settle()
    older = shown_ids(visitor.page)
    assert older
    assert not set(found) & set(older)
    visitor.page.get_by_role("link", name="Newer").click()
    expect(visitor.page.locator(f'{ROWS}[data-href$="{found[0]}"]')).to_be_visible()
    visitor.has_no_fault()


def test_new_decision_shows_on_an_open_page_within_a_second(visitor: Visitor, caller: Caller) -> None:
    visitor.go("/console/decisions")
    for text in ("Is anybody looking?", "And now?"):
        found = caller.ask(text, model="auto:table")
        answered = time.monotonic()
        row = visitor.page.locator(f'{ROWS}[data-href$="{found["decision_id"]}"]')
        row.wait_for(timeout=1000 * (SOON_SECONDS + SLACK_SECONDS))
        assert time.monotonic() - answered < SOON_SECONDS + SLACK_SECONDS
        expect(row).to_contain_text(text)
        expect(row.locator("td[data-name=Status]")).to_contain_text("succeeded")
    assert shown_ids(visitor.page)[0] == found["decision_id"]
    visitor.look()
    visitor.has_no_fault()


def test_paused_list_stays_as_it_is(visitor: Visitor, caller: Caller) -> None:
    visitor.go("/console/decisions")
    visitor.page.get_by_role("button", name="Pause").click()
    found = caller.ask("Do not look now.", model="auto:table")
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.page.wait_for_timeout(1000 * 1.2)  # more than one turn of the clock by which the page asks
    assert asked == []
    assert found["decision_id"] not in shown_ids(visitor.page)
    visitor.page.get_by_role("button", name="Go on").click()
    visitor.page.locator(f'{ROWS}[data-href$="{found["decision_id"]}"]').wait_for()


def test_decision_is_verified_on_its_page(visitor: Visitor, made: Made) -> None:
    visitor.go(f"/console/decisions/{made.decisions['cascade']}")
    visitor.page.get_by_role("button", name="Verify").click()
    checks = visitor.page.locator("#checks li")
    expect(checks.first).to_be_visible()
    assert visitor.page.locator("#checks .badge.good").count() >= 2
    assert visitor.page.locator("#checks .badge.bad").count() == 0
    visitor.look(axe_rules=())
    visitor.has_no_fault()


def test_answer_is_judged_on_its_page(visitor: Visitor, caller: Caller) -> None:
    found = caller.ask("Judge me.", model="auto:table")
    visitor.go(f"/console/decisions/{found['decision_id']}")
    visitor.page.get_by_label("Quality of the answer").fill("0.75")
    visitor.page.get_by_role("button", name="Judge").click()
    expect(visitor.page.get_by_role("status").first).to_be_visible()
    expect(visitor.page.locator("#outcomes")).to_contain_text("0.75")
    stored = caller.http.get(f"/v1/decisions/{found['decision_id']}").json()["outcomes"]
    assert [(each["quality"], each["judged_by"]) for each in stored if each["status"] == "judged"] == [(0.75, "user")]
    visitor.look()
    visitor.has_no_fault()


def test_candidate_that_failed_is_told_with_the_reason(visitor: Visitor, made: Made) -> None:
    visitor.go(f"/console/decisions/{made.decisions['failed']}")
    expect(visitor.page.locator("#outcomes")).to_contain_text("failed")
    expect(visitor.page.locator("main")).to_contain_text(FAILING)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_list_filter_and_decision_work_without_script(
    size: tuple[int, int], browser: Browser, busy_site: tuple[Site, Made]
) -> None:
    site, made = busy_site
    with visiting(browser, site.address, size=size, java_script_enabled=False) as visitor:
        visitor.page.goto(f"{site.address}/console/decisions")
        visitor.page.get_by_label("Policy").fill("linucb")
        visitor.page.get_by_role("button", name="Show").click()
        assert "policy=linucb" in visitor.page.url
        found = shown_ids(visitor.page)
        assert made.decisions["linucb"] in found
        visitor.page.locator(f"{ROWS} a").first.click()
        expect(visitor.page.get_by_role("heading", name="Why this one")).to_be_visible()
        visitor.page.get_by_role("button", name="Verify").click()
        expect(visitor.page.locator(".badge.good").first).to_be_visible()
        visitor.has_no_fault()


def test_unknown_decision_is_told_in_words(visitor: Visitor) -> None:
    visitor.also_expected = (404,)
    answer = visitor.go("/console/decisions/decision_0000000000000000")
    assert answer is not None and answer.status == 404
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("decision_0000000000000000")


def test_text_of_an_answer_is_downloaded_not_shown(visitor: Visitor, busy_site: tuple[Site, Made]) -> None:
    site, made = busy_site
    answer = httpx.get(f"{site.address}/console/decisions/{made.decisions['hostile long']}/answer.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert len(QUESTIONS) < len(answer.text)
