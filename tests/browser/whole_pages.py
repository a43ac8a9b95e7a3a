"""One page of the menu and what belongs to it, looked at in one size and one theme."""

from __future__ import annotations

from collections.abc import Sequence

from playwright.sync_api import Browser

from tests.browser.places import PAGES, kind_of, visited
from tests.browser.served import Site
from tests.browser.traffic import Made
from tests.browser.visitor import visiting

NAMES = tuple(address.rpartition("/")[2] for address in PAGES)
SHOWN_DECISIONS = ("cascade", "vote", "graph", "skilled", "failed", "refused", "hostile all", "hostile long")
SHOWN_JOBS = ("succeeded", "failed", "queued", "cancelled", "running", "hostile")
EXPECTED_KINDS = ("/console/decisions/*", "/console/jobs/*", "/console/routers/*", "/console/skills/*")


def looked_at(
    page: str,
    browser: Browser,
    busy_site: tuple[Site, Made],
    *,
    size: tuple[int, int],
    theme: str = "light",
    axe_rules: Sequence[str] = (),
    decisions: Sequence[str] = SHOWN_DECISIONS,
) -> None:
    """Fails with all faults of the page and those below it.

    `axe_rules`: only these; empty: WCAG 2.1, A and AA. `decisions`: by their names.
    """
    site, made = busy_site
    more = {
        "/console/decisions": [f"/console/decisions/{made.decisions[name]}" for name in decisions],
        "/console/jobs": [f"/console/jobs/{made.jobs[name]}" for name in SHOWN_JOBS],
    }
    kinds = set()
    with visiting(browser, site.address, size=size, theme=theme) as visitor:
        for path in visited(visitor, [page], more.get(page, ())):
            kinds.add(kind_of(path))
            visitor.look(axe_rules=axe_rules)
        visitor.has_no_fault()
    assert kinds >= {kind for kind in EXPECTED_KINDS if kind.startswith(f"{page}/") and page != PAGES[0]}
