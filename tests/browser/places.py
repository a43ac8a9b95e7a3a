"""Which pages there are: those of the menu, and what they link to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import urldefrag, urljoin, urlsplit

from orchestrator.rest.console.page import MENU
from tests.browser.visitor import Visitor

PAGES = tuple(address for _, _, address, _ in MENU)
SAID_ID = re.compile(r"(?<=/)[a-z]+_[0-9a-f]{8,}$")
MOST_ALIKE = 1  # pages of one kind that are looked at, besides those that are asked for
LINKS = "() => [...document.querySelectorAll('a[href]:not([download])')].map((link) => link.getAttribute('href'))"


def kind_of(path: str) -> str:
    """`/console/decisions/*`; a page's own search is one more kind."""
    parts = urlsplit(path)
    head = SAID_ID.sub("*", parts.path)
    head = re.sub(r"^(/console/(?:skills|budgets|memory))/.+", r"\1/*", head)
    names = sorted({pair.partition("=")[0] for pair in parts.query.split("&") if pair})
    return f"{head}?{'&'.join(names)}" if names else head


def links(visitor: Visitor) -> Iterator[str]:
    """Own addresses on the page, without what a mere visit would change or leave."""
    for address in visitor.page.evaluate(LINKS):
        whole = urldefrag(urljoin(visitor.page.url, address)).url
        if whole.startswith(f"{visitor.origin}/console") and "/static/" not in whole:
            yield whole.removeprefix(visitor.origin)


def visited(visitor: Visitor, pages: Sequence[str] = PAGES, more: Sequence[str] = ()) -> Iterator[str]:
    """Goes to these pages, to all of `more`, and on to what they link to, one of a kind; stops at each."""
    waiting, seen, kinds = [*pages, *more], {*pages, *more}, dict[str, int]()
    while waiting:
        path = waiting.pop(0)
        kind = kind_of(path)
        if kinds.get(kind, 0) >= MOST_ALIKE and path not in more:
            continue
        kinds[kind] = kinds.get(kind, 0) + 1
        visitor.go(path)
        yield path
        for link in links(visitor):
            if link not in seen and any(is_below(link, page) for page in pages):
                seen.add(link)
                waiting.append(link)


def is_below(path: str, page: str) -> bool:
    """Whether it is that page of the menu, filtered or not, or one that it leads to."""
    head = urlsplit(path).path
    return head == page or (page != PAGES[0] and head.startswith(f"{page}/"))
