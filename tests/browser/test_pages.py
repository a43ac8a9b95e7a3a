"""Every page of the console, wide and narrow, light and dark: whole, in its frame, without errors or barriers."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser.places import PAGES, kind_of, visited
from tests.browser.served import Site
from tests.browser.traffic import Made
from tests.browser.visitor import NARROW, WIDE, visiting

EXPECTED_KINDS = {*PAGES, "/console/decisions/*", "/console/jobs/*", "/console/routers/*", "/console/skills/*"}
ALL_RULES: tuple[str, ...] = ()
COLOURS = ("color-contrast",)


SHOWN_DECISIONS = ("cascade", "vote", "graph", "skilled", "failed", "refused", "plain", "hostile all", "hostile long")


@pytest.mark.parametrize(
    ("size", "theme", "rules"),
    [(WIDE, "light", ALL_RULES), (WIDE, "dark", COLOURS), (NARROW, "light", ALL_RULES), (NARROW, "dark", COLOURS)],
    ids=["wide-light", "wide-dark", "narrow-light", "narrow-dark"],
)
def test_no_page_has_a_fault(
    size: tuple[int, int], theme: str, rules: tuple[str, ...], browser: Browser, busy_site: tuple[Site, Made]
) -> None:
    site, made = busy_site
    more = [f"/console/decisions/{made.decisions[name]}" for name in SHOWN_DECISIONS]
    more += [f"/console/jobs/{each}" for each in made.jobs.values()]
    kinds = set()
    with visiting(browser, site.address, size=size, theme=theme) as visitor:
        for path in visited(visitor, more=more):
            kinds.add(kind_of(path))
            visitor.look(axe_rules=rules)
        visitor.has_no_fault()
    assert kinds >= EXPECTED_KINDS
