"""What the tests of the agents floor share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.agents.fake_upstream import FakeUpstream
from tests.local_model import smallest_model_path


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as fake:
        yield fake


@pytest.fixture(scope="session")
def smallest_model() -> Path:
    return smallest_model_path()
