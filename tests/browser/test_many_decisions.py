"""The console over thousands of decisions: every page of the list is as long as the first, and as quick to be had."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from benchmarks.decision_log import SELLERS
from tests.browser.visitor import Visitor, visiting
from tests.e2e.antroute import START_SECONDS, Home

DECISIONS = 5000  # benchmarks/console.py has more
A_PAGE = 50
ROWS = "#rows tr[data-href]"
MOST_ELEMENTS = 3000  # of a page, so that a phone can hold it


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = Home(tmp_path_factory.mktemp("many"))
    home.store_path.parent.mkdir(parents=True)
    store = ("--store", f"sqlite:///{home.store_path}", "--decisions", str(DECISIONS), "--no-texts")
    made = [sys.executable, "-m", "benchmarks.decision_log", *store]
    subprocess.run(made, check=True, capture_output=True, env=home.environment(), timeout=START_SECONDS)
    with home.served() as server:
        yield server.address


@pytest.fixture
def reader(browser: Browser, address: str) -> Iterator[Visitor]:
    with visiting(browser, address) as reader:
        yield reader


def test_pages_of_the_list_are_of_one_length(reader: Visitor) -> None:
    reader.go("/console/decisions")
    for _ in range(4):
        expect(reader.page.locator(ROWS)).to_have_count(A_PAGE)
        last = reader.page.locator(ROWS).last.get_attribute("data-position")
        reader.page.get_by_role("link", name="Older").click()
        reader.page.wait_for_url(f"**before={last}*")
        reader.settle()
    assert reader.page.evaluate("() => document.querySelectorAll('*').length") < MOST_ELEMENTS
    reader.has_no_fault()


def test_filter_finds_the_few_among_the_many(reader: Visitor) -> None:
    dear = SELLERS[-1].id
    reader.go(f"/console/decisions?candidate={dear}&status=failed&period=7d")
    found = reader.page.locator(ROWS)
    assert 0 < found.count() <= A_PAGE
    for row in found.all():
        expect(row.locator("td[data-name=Candidate]")).to_have_text(dear)
    reader.has_no_fault()


def test_overview_counts_them_all(reader: Visitor) -> None:
    reader.go("/console?period=all")
    expect(reader.page.locator(".figure").filter(has_text="Decisions").first).to_contain_text(f"{DECISIONS:,}")
    assert reader.page.evaluate("() => document.querySelectorAll('*').length") < MOST_ELEMENTS
    reader.look()
    reader.has_no_fault()
