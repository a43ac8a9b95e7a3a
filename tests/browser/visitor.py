"""Somebody at a browser who notices what goes wrong: errors, refused scripts, foreign requests, layout, barriers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response

from tests.browser.hostile import FLAG, MARK, RTL, SUM_READ, TURNING, UNSEEN

USUAL = (200, 204, 303)  # statuses
WIDE, NARROW = (1280, 844), (390, 844)  # a laptop, a phone
SETTLED = "() => !document.querySelector('.htmx-request, .htmx-swapping, .htmx-settling')"
LOOKS = Path(__file__).with_name("looks.js")


@dataclass
class Visitor:
    """`faults`: what was noticed since the last look, each with the page's address."""

    page: Page
    origin: str
    faults: list[str] = field(default_factory=list)
    also_expected: tuple[int, ...] = ()  # statuses, of pages that are errors

    def __post_init__(self) -> None:
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self._note(f"script failed: {error}"))
        self.page.on("request", self._asked)
        self.page.on("response", self._answered)

    def go(self, path: str) -> Response | None:
        answer = self.page.goto(f"{self.origin}{path}")
        self.settle()
        return answer

    def settle(self) -> None:
        self.page.wait_for_function(SETTLED)

    def look(self, *, axe_rules: Iterable[str] | None = None) -> None:
        """Notices what is wrong with the page that is shown. `axe_rules`: none: no axe; (): all of WCAG."""
        for violation in self.page.evaluate("() => looks.violations.splice(0)"):
            self._note(f"policy violated: {violation}")
        for element in self.page.evaluate("() => looks.wide()"):
            self._note(f"too wide: {element}")
        if (count := self.page.locator("h1").count()) != 1:
            self._note(f"has {count} h1")
        if self.page.title().removesuffix("· Antroute").strip() in ("", "Antroute", "Console"):
            self._note(f"title is {self.page.title()!r}")
        if axe_rules is not None:
            self.page.evaluate(AXE_SCRIPT)
            for finding in self.page.evaluate("(rules) => looks.barriers(rules)", list(axe_rules)):
                self._note(f"axe: {finding}")

    def look_for_harm(self) -> None:
        """Notices whether a stranger's text did more than be read."""
        if (flag := self.page.evaluate(f"() => window.{FLAG}")) is not None:
            self._note(f"a script of a stranger ran: {flag}")
        for outer in self.page.evaluate("(marks) => looks.harm(marks)", [MARK, SUM_READ]):
            self._note(f"made of a stranger's text: {outer}")
        for text in self.page.evaluate("(characters) => looks.unprinted(characters)", TURNING + UNSEEN):
            self._note(f"not written out: {text}")
        for text in self.page.evaluate("(text) => looks.turned(text)", RTL):
            self._note(f"may turn what stands beside it: {text}")

    def has_no_fault(self) -> None:
        """Fails with all that was noticed, a line each."""
        assert not self.faults, "\n".join(dict.fromkeys(self.faults))

    def _note(self, what: str) -> None:
        self.faults.append(f"{urlsplit(self.page.url).path}: {what}")

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not self._is_expected(message):
            self._note(f"console: {message.text}")

    def _is_expected(self, message: ConsoleMessage) -> bool:
        """Chromium tells of a page's own status, too, when it is an error's."""
        return any(f"status of {status}" in message.text for status in self.also_expected)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:")):
            self._note(f"asked elsewhere: {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status not in (*USUAL, *self.also_expected):
            self._note(f"{response.request.method} {response.url} answered {response.status}")


@contextmanager
def visiting(
    browser: Browser, origin: str, *, size: tuple[int, int] = WIDE, theme: str = "light", **context_options: Any
) -> Iterator[Visitor]:
    """A visitor in a browser of its own, that is: without cookies or anything kept."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=theme,
        reduced_motion="reduce",
        timezone_id="UTC",
        locale="en-GB",
        **context_options,
    )
    context.set_default_timeout(10_000)
    context.add_init_script(path=LOOKS)
    try:
        yield Visitor(context.new_page(), origin)
    finally:
        context.close()
