"""Every store passes the one suite: memory, SQLite and PostgreSQL, in both modes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from storage.conformance import StoresConformance
from storage.registry import Mode, open_stores
from storage.stores import Stores

POSTGRES = pytest.param("postgresql", marks=pytest.mark.postgres)


@pytest.mark.parametrize("mode", ["sync", "grouped"])
@pytest.mark.parametrize("url", ["memory", "sqlite", POSTGRES], indirect=True)
class TestStores(StoresConformance):
    @pytest.fixture
    async def stores(self, url: str, mode: Mode) -> AsyncIterator[Stores]:
        stores = await open_stores(url, mode=mode)
        yield stores
        await stores.close()
