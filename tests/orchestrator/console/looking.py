"""What tests of the console's pages share: a hostile name, how forms are sent, and what no page may hold."""

from __future__ import annotations

import re

import httpx

HOSTILE = '<img src=x onerror=alert(1)>\u202e"><script>alert(2)</script>{{7*7}}'
OWN = {"sec-fetch-site": "same-origin"}  # a form of a page of the service itself


async def page_of(http: httpx.AsyncClient, address: str, **given: object) -> str:
    """The page's HTML, which is whole and holds nothing that a browser would run."""
    answer = await http.get(address, **given)  # type: ignore[arg-type]  # passed on as it came
    assert answer.status_code == 200, answer.text[:2000]
    assert answer.headers["content-type"].startswith("text/html")
    assert_inert(answer.text)
    return answer.text


def assert_inert(html: str) -> None:
    """Nobody's text has become an element, a script or, outside of fields, a character that turns lines around."""
    assert "<img src=x" not in html and "<script>" not in html
    assert "\u202e" not in re.sub(r'value="[^"]*"|<textarea[^>]*>[^<]*</textarea>', "", html)
    assert " style=" not in html and " onclick" not in html
