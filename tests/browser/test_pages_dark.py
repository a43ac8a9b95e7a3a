"""Every page in the dark: what is written can be read."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser.places import PAGES
from tests.browser.served import Site
from tests.browser.traffic import Made
from tests.browser.visitor import WIDE
from tests.browser.whole_pages import NAMES, looked_at


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_page_can_be_read_in_the_dark(page: str, browser: Browser, busy_site: tuple[Site, Made]) -> None:
    rules, decisions = ("color-contrast",), ("cascade", "graph", "failed")
    looked_at(page, browser, busy_site, size=WIDE, theme="dark", axe_rules=rules, decisions=decisions)
