"""Texts of strangers on every page that shows them: read, and nothing else."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.hostile import ALL, NAME_TO_TEXT
from tests.browser.places import PAGES, visited
from tests.browser.served import Site
from tests.browser.traffic import Made
from tests.browser.visitor import WIDE, Visitor, visiting

ADDRESSES = (
    "/console/decisions?candidate={}",
    "/console/decisions?run={}",
    "/console/decisions/{}",
    "/console/jobs?workflow={}",
    "/console/skills?q={}",
    "/console/skills/{}",
    "/console/budgets?q={}",
    "/console/memory?memory={}",
    "/console/routers/{}?said={}",
    "/console/decisions?status={}",
    "/console/login?next={}",
    "/console/{}",
)
IN_ADDRESSES = ("script", "attribute", "title", "address", "htmx", "template", "turned", "unseen")


@pytest.mark.parametrize("page", [page for page in PAGES if page != "/console/decisions"])
def test_nothing_of_a_stranger_s_does_anything(page: str, browser: Browser, busy_site: tuple[Site, Made]) -> None:
    site, made = busy_site
    jobs = [f"/console/jobs/{id}" for name, id in made.jobs.items() if name.startswith("hostile")]
    with visiting(browser, site.address, size=WIDE) as visitor:
        for _ in visited(visitor, [page], jobs if page == "/console/jobs" else ()):
            visitor.look()
            visitor.look_for_harm()
        visitor.has_no_fault()


def test_no_question_and_no_answer_does_anything(browser: Browser, busy_site: tuple[Site, Made]) -> None:
    site, made = busy_site
    decisions = [f"/console/decisions/{id}" for name, id in made.decisions.items() if name.startswith("hostile")]
    with visiting(browser, site.address, size=WIDE) as visitor:
        for _ in visited(visitor, ["/console/decisions"], decisions):
            visitor.look()
            visitor.look_for_harm()
        visitor.has_no_fault()


@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_that_an_address_says_does_anything(address: str, visitor: Visitor) -> None:
    visitor.also_expected = (404, 422)
    for name in IN_ADDRESSES:
        text = quote(NAME_TO_TEXT[name][:200], safe="")
        visitor.go(address.format(text, text))
        visitor.look_for_harm()
    visitor.has_no_fault()


def test_nothing_that_is_tried_does_anything(visitor: Visitor) -> None:
    text = ALL.replace("\x00", "")[:6000]
    visitor.go("/console/try")
    visitor.page.get_by_label("Text", exact=True).fill(text)
    visitor.page.get_by_role("button", name="Decide").click()
    expect(visitor.page.locator("#why")).to_be_visible()
    visitor.look()
    visitor.look_for_harm()
    visitor.go("/console/skills")
    visitor.page.get_by_label("A query").fill(text)
    visitor.page.get_by_role("button", name="Search").click()
    expect(visitor.page.get_by_role("heading", name="Found", exact=True)).to_be_visible()
    visitor.look()
    visitor.look_for_harm()
    visitor.has_no_fault()
