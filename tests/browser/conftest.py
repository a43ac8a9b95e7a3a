"""A browser, and a site with traffic that all tests of a process look at; skipped where there is no chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import INSTALL, chromium, path_of_chromium
from tests.browser.served import Site, site
from tests.browser.traffic import Caller, Made, with_traffic
from tests.browser.visitor import Visitor, visiting

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = pytest.mark.skip(reason=f"there is no chromium; on Debian: {INSTALL}")
    is_missing = path_of_chromium() is None
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if is_missing:
                item.add_marker(missing)


# Not for the whole session: as long as it is open, no asynchronous test can run in this process.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def busy_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Made]]:
    """With ordinary traffic and the hostile corpus. Tests may add to it, and leave what is there as it was."""
    with site(tmp_path_factory.mktemp("site"), is_hostile=True) as found:
        yield found, with_traffic(found)


@pytest.fixture
def visitor(browser: Browser, busy_site: tuple[Site, Made]) -> Iterator[Visitor]:
    with visiting(browser, busy_site[0].address) as visitor:
        yield visitor


@pytest.fixture
def made(busy_site: tuple[Site, Made]) -> Made:
    return busy_site[1]


@pytest.fixture
def caller(busy_site: tuple[Site, Made]) -> Iterator[Caller]:
    caller = Caller(busy_site[0])
    yield caller
    caller.http.close()
