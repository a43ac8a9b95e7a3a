"""Stores are opened by URL, and a backend is imported only when it is named."""

from __future__ import annotations

import subprocess
import sys

import pytest

from storage.errors import InvalidInput, StorageUnavailable
from storage.registry import open_stores

HEAVY = ("sqlalchemy", "alembic", "psycopg", "rfc8785", "pydantic", "numpy", "torch", "litellm", "ray")


def loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_registry_loads_no_backend() -> None:
    assert loaded_after("import storage.registry, storage.audit, storage.records") == set()


def test_opening_memory_loads_no_sql() -> None:
    assert loaded_after("import asyncio, storage.registry as r; asyncio.run(r.open_stores('memory:'))") == set()


def test_opening_an_up_to_date_database_does_not_load_alembic(tmp_path: object) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    code = f"""
import asyncio, storage.registry as r
async def main():
    await (await r.open_stores({url!r})).close()
asyncio.run(main())"""
    assert "alembic" in loaded_after(code)
    assert loaded_after(code) == {"sqlalchemy"}


@pytest.mark.parametrize("url", ["redis://localhost", "antroute.db", "", "mysql+pymysql://root:secret@host/x"])
async def test_unknown_url_is_refused_with_the_known_ones_and_without_the_password(url: str) -> None:
    with pytest.raises(InvalidInput, match="known: memory:, sqlite:///") as caught:
        await open_stores(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
async def test_sqlite_without_a_file_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="needs a file"):
        await open_stores(url)


async def test_unknown_mode_is_refused() -> None:
    with pytest.raises(InvalidInput, match="No mode 'fast'; known: sync, grouped"):
        await open_stores("memory:", mode="fast")  # type: ignore[arg-type]  # what a settings file may hold


async def test_password_is_in_no_message_and_not_in_the_url_of_the_stores() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StorageUnavailable) as caught:
        await open_stores("postgresql://user:secret@127.0.0.1:1/antroute")
    assert "cannot be reached" in str(caught.value)
    assert "127.0.0.1:1/antroute" in str(caught.value)
    assert "secret" not in str(caught.value)
