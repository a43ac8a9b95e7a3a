"""Every page on a phone: as on a laptop, and nothing scrolls sideways."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser.places import PAGES
from tests.browser.served import Site
from tests.browser.traffic import Made
from tests.browser.visitor import NARROW
from tests.browser.whole_pages import NAMES, looked_at


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_page_has_no_fault_on_a_phone(page: str, browser: Browser, busy_site: tuple[Site, Made]) -> None:
    decisions = ("cascade", "graph", "skilled", "failed", "hostile all", "hostile long")
    looked_at(page, browser, busy_site, size=NARROW, decisions=decisions)
