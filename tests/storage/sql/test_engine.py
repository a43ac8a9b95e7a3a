"""A database that is locked, read-only, missing or no database: a clear error in bounded time, and then it goes on."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from storage.audit import verify
from storage.conformance import a_decision, a_payload, opened, written_decision
from storage.errors import StorageError, StorageUnavailable
from storage.records import Amount, BudgetAccount, usd
from storage.registry import open_stores
from storage.sql.journal import SqlJournal
from storage.sql.stores import open_sql

PATIENCE_SECONDS = 0.1
BOUND_SECONDS = 3.0  # far above the patience, far below the default one


async def test_a_locked_database_fails_in_bounded_time_and_then_works_again(tmp_path: Path) -> None:
    path = tmp_path / "antroute.db"
    stores = await open_sql(f"sqlite:///{path}", patience_seconds=PATIENCE_SECONDS)
    await opened(stores, BudgetAccount(id="a"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    payload = a_payload()
    decision = a_decision(payload)
    start = time.monotonic()
    with pytest.raises(StorageUnavailable, match=r"antroute\.db' is locked by another process") as caught:
        await stores.journal.write(payload, decision)
    with pytest.raises(StorageUnavailable, match="locked"):
        await stores.budgets.hold("a", Amount(usd=usd("0.01")), expires_in_seconds=1)
    assert time.monotonic() - start < BOUND_SECONDS
    assert caught.value.is_retryable
    other.execute("ROLLBACK")
    other.close()
    await stores.journal.write(payload, decision)
    assert await stores.decisions.get(decision.id) == decision
    await stores.close()


async def test_queued_writes_survive_a_locked_database(tmp_path: Path) -> None:
    path = tmp_path / "antroute.db"
    stores = await open_sql(f"sqlite:///{path}", mode="grouped", patience_seconds=PATIENCE_SECONDS)
    before = await written_decision(stores)
    await stores.journal.flush()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    queued = [await written_decision(stores) for _ in range(3)]
    with pytest.raises(StorageUnavailable, match="locked"):
        await stores.journal.flush()
    with pytest.raises(StorageUnavailable, match="3 earlier writes are kept and tried again"):
        await written_decision(stores)
    other.execute("ROLLBACK")
    other.close()
    await stores.journal.flush()
    for decision in (before, *queued):
        assert await stores.decisions.get(decision.id) == decision
    assert (await verify(stores)).events_checked == 5
    await stores.close()


async def test_closing_while_locked_says_how_many_writes_were_lost(tmp_path: Path) -> None:
    path = tmp_path / "antroute.db"
    stores = await open_sql(f"sqlite:///{path}", mode="grouped", patience_seconds=PATIENCE_SECONDS)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    await written_decision(stores)
    with pytest.raises(StorageUnavailable, match="1 writes were lost on closing"):
        await stores.close()
    other.close()


async def test_a_closed_store_takes_nothing(tmp_path: Path) -> None:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db")
    await stores.close()
    await stores.close()
    with pytest.raises(StorageUnavailable, match="is closed; open it again"):
        await written_decision(stores)


async def test_a_read_only_database_is_read_and_verified_but_not_written(tmp_path: Path) -> None:
    path = tmp_path / "antroute.db"
    stores = await open_stores(f"sqlite:///{path}")
    decision = await written_decision(stores)
    await stores.close()
    stores = await open_stores(f"sqlite:///file:{path}?mode=ro&uri=true")
    assert await stores.decisions.get(decision.id) == decision
    assert (await verify(stores)).is_whole
    with pytest.raises(StorageUnavailable, match=r"is read-only .* Make the file and its folder writable"):
        await written_decision(stores)
    await stores.close()


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match=r"none/antroute\.db' cannot be opened .* Create its folder"):
        await open_stores(f"sqlite:///{tmp_path}/none/antroute.db")


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be taken for a header of one" * 20)
    with pytest.raises(StorageUnavailable, match=r"notes\.txt' is not an SQLite database"):
        await open_stores(f"sqlite:///{path}")


async def test_a_full_disk_is_named(tmp_path: Path) -> None:
    path = tmp_path / "antroute.db"
    stores = await open_sql(f"sqlite:///{path}", patience_seconds=PATIENCE_SECONDS)
    await written_decision(stores)
    await stores.close()
    stores = await open_sql(f"sqlite:///{path}", patience_seconds=PATIENCE_SECONDS)
    journal = stores.journal
    assert isinstance(journal, SqlJournal)

    @event.listens_for(journal.database.writing, "begin")
    def limit_pages(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # SQLite makes it what the file has now

    with pytest.raises(StorageUnavailable, match=r"has no room left .* Free some disk space"):
        for _ in range(100):
            await written_decision(stores)
    assert (await verify(stores)).is_whole
    await stores.close()


async def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "antroute.db"
    await (await open_stores(f"sqlite:///{path}")).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StorageError, match=r"stands at '9999', which this version .* does not know"):
        await open_stores(f"sqlite:///{path}")
