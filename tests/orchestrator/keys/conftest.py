"""A store in RAM, a keyring and an authenticator over it, and a clock that a test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from orchestrator.keys.authenticator import Authenticator
from orchestrator.keys.keyring import Keyring
from storage.registry import open_stores
from storage.stores import Stores
from tests.orchestrator.keys.clocks import SECRET, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def stores() -> AsyncIterator[Stores]:
    opened = await open_stores("memory:")
    yield opened
    await opened.close()


@pytest.fixture
def authenticator(stores: Stores, clock: Clock) -> Authenticator:
    return Authenticator(stores.keys, secret=SECRET, admin_key="a" * 40, clock=clock, now=clock.now)


@pytest.fixture
def keyring(stores: Stores, clock: Clock, authenticator: Authenticator) -> Keyring:
    return Keyring(stores.keys, stores.budgets, secret=SECRET, on_change=authenticator.forget, now=clock.now)
