"""Trails in SQL: several processes, restarts, a second try of a write, rows that nobody may change, erased bytes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError

from storage.conformance_trails import EMBEDDING, MEMORY, a_deposit, remembered
from storage.errors import LogCorrupt, StorageUnavailable
from storage.registry import open_stores
from storage.sql.engine import open_database
from storage.sql.stores import open_sql
from storage.sql.trails import SqlTrailStore
from storage.stores import Stores
from storage.trail_forms import snapshot_of
from tests.storage.processes import started

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
APPENDS = """
import asyncio, sys
from storage.conformance_trails import a_deposit
from storage.registry import open_stores
async def work():
    stores = await open_stores(sys.argv[1])
    for number in range(30):
        await stores.trails.append([a_deposit(f"decision_{number}"), a_deposit(f"{sys.argv[2]}_{number}")])
    await stores.close()
asyncio.run(work())
"""


def sql_trails(stores: Stores) -> SqlTrailStore:
    assert isinstance(stores.trails, SqlTrailStore)
    return stores.trails


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def plan_of(connection: Connection, *, sql: str) -> str:
    return " ".join(str(row) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}").all())


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_two_processes_that_deposit_the_same_decisions_store_each_once(url: str) -> None:
    await (await open_stores(url)).close()
    processes = [started(APPENDS, url, name) for name in ("one", "other")]
    for process in processes:
        _, said = await asyncio.to_thread(process.communicate, timeout=60)
        assert process.returncode == 0, said
    stores = await open_stores(url)
    stored = await stores.trails.events(MEMORY)
    assert [each.position for each in stored] == list(range(1, 91))
    assert len({each.decision_id for each in stored}) == 90
    await stores.close()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_trails_are_there_after_a_restart(url: str) -> None:
    stores = await open_stores(url)
    _, with_vector = await remembered(stores)
    snapshot = snapshot_of(MEMORY, 1, {"cells": [1.0, {"π": None}]})
    await stores.trails.put_snapshot(snapshot)
    await stores.close()
    stores = await open_stores(url)
    assert await stores.trails.events(MEMORY) == [with_vector]
    assert await stores.trails.snapshot(MEMORY) == snapshot
    await stores.close()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trail_events SET kind = 'reset'",
        "DELETE FROM trail_events",
        "UPDATE trail_vectors SET embedding = embedding",
        "UPDATE trail_snapshots SET sha256 = 'forged'",
    ],
)
async def test_the_database_itself_refuses_to_change_a_trail(url: str, statement: str) -> None:
    stores = await open_stores(url)
    _, stored = await remembered(stores)
    await stores.trails.put_snapshot(snapshot_of(MEMORY, 1, {}))

    beside = open_database(url, is_durable=True, patience_seconds=1)
    with pytest.raises(DBAPIError, match="kept as they were written"), beside.writing.begin() as connection:
        connection.execute(text(statement))
    beside.dispose()
    assert await stores.trails.events(MEMORY) == [stored]
    await stores.close()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_a_deposit_and_the_erasure_of_its_text_at_once_leave_no_vector(url: str) -> None:
    here, there = await open_stores(url), await open_stores(url)
    for _ in range(10):
        payload, first = await remembered(here)
        later = a_deposit(payload_id=payload.id, embedding=EMBEDDING)
        await asyncio.gather(here.payloads.erase(payload.id), there.trails.append([later]))
        after = await here.trails.events(MEMORY, after_position=first.position - 1)
        assert [each.embedding for each in after] == [None] * len(after)
    for stores in (here, there):
        await stores.close()


async def test_a_write_that_is_tried_again_after_its_commit_gives_the_same_answer(tmp_path: Path) -> None:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db")
    await stores.trails.append([a_deposit("decision_0")])
    broken: list[str] = []

    @event.listens_for(sql_trails(stores).database.writing, "commit")
    def break_once(connection: Connection) -> None:
        if not broken:
            broken.append("the answer is lost")
            connection.exec_driver_sql("COMMIT")
            raise DBAPIError("COMMIT", None, sqlite3.OperationalError("disk I/O error"), connection_invalidated=True)

    given = [a_deposit("decision_0"), a_deposit("decision_1"), a_deposit("decision_2")]
    added = await stores.trails.append(given)
    assert broken
    assert added == [replace(each, position=place) for place, each in enumerate(given[1:], start=2)]
    assert await stores.trails.events(MEMORY, after_position=1) == added
    await stores.close()


async def test_a_locked_database_is_told_and_takes_the_events_later(tmp_path: Path) -> None:
    stores = await open_sql(f"sqlite:///{tmp_path}/antroute.db", patience_seconds=0.05)
    other = sqlite3.connect(tmp_path / "antroute.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    given = [a_deposit()]
    with pytest.raises(StorageUnavailable, match="locked"):
        await stores.trails.append(given)
    other.execute("ROLLBACK")
    other.close()
    assert len(await stores.trails.append(given)) == 1
    assert len(await stores.trails.events(MEMORY)) == 1
    await stores.close()


async def test_an_erased_vector_leaves_no_bytes_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "antroute.db"
    stores = await open_stores(f"sqlite:///{path}")
    payload, _ = await remembered(stores)
    assert EMBEDDING in all_bytes(tmp_path)
    await stores.payloads.erase(payload.id)
    await stores.close()
    assert EMBEDDING not in all_bytes(tmp_path)


async def test_damaged_rows_are_told(tmp_path: Path) -> None:
    path = tmp_path / "antroute.db"
    stores = await open_stores(f"sqlite:///{path}")
    await stores.trails.append([a_deposit()])
    await stores.trails.put_snapshot(snapshot_of(MEMORY, 1, {"tau": 0.5}))
    await stores.close()
    connection = sqlite3.connect(path)
    for table in ("trail_events", "trail_snapshots"):
        connection.execute(f"DROP TRIGGER {table}_no_update")
    connection.execute("UPDATE trail_snapshots SET state = CAST('{\"tau\": 0.9}' AS BLOB)")
    connection.execute("UPDATE trail_events SET record = CAST('{\"memory\": 1}' AS BLOB)")
    connection.commit()
    connection.close()
    stores = await open_stores(f"sqlite:///{path}")
    with pytest.raises(LogCorrupt, match="not the one that was written"):
        await stores.trails.snapshot(MEMORY)
    with pytest.raises(LogCorrupt, match="trail event is none"):
        await stores.trails.events(MEMORY)
    await stores.close()


async def test_what_is_asked_often_is_answered_from_an_index(tmp_path: Path) -> None:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db")
    sqls: Sequence[str] = (
        "SELECT record FROM trail_events WHERE memory = 'm' AND position > 5 ORDER BY position LIMIT 10",
        "SELECT id FROM trail_events WHERE memory = 'm' AND decision_id IN ('a') AND kind = 'deposit'",
        "SELECT id FROM trail_events WHERE memory = 'm' AND kind = 'erased' AND position > 5",
        "SELECT embedding FROM trail_vectors WHERE payload_id = 'p'",
    )
    for sql in sqls:
        plan = await sql_trails(stores).database.read(partial(plan_of, sql=sql))
        assert "SEARCH" in plan and "SCAN" not in plan and "TEMP B-TREE" not in plan, plan
    await stores.close()
