"""Texts of strangers on every page that shows them: read, and nothing else."""

from __future__ import annotations

from playwright.sync_api import Browser

from tests.browser.places import visited
from tests.browser.served import Site
from tests.browser.traffic import Made
from tests.browser.visitor import WIDE, visiting


def test_nothing_of_a_stranger_s_does_anything_on_any_page(browser: Browser, busy_site: tuple[Site, Made]) -> None:
    site, made = busy_site
    more = [f"/console/decisions/{id}" for name, id in made.decisions.items() if name.startswith("hostile")]
    more += [f"/console/jobs/{id}" for name, id in made.jobs.items() if name.startswith("hostile")]
    with visiting(browser, site.address, size=WIDE) as visitor:
        for _ in visited(visitor, more=more):
            visitor.look()
            visitor.look_for_harm()
        visitor.has_no_fault()
