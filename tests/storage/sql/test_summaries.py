"""Summaries in SQL: made once whoever catches up, quick to find, and never from a damaged log."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from storage.conformance_records import a_decision, a_reward, an_outcome
from storage.conformance_summaries import LONG, NOON, answered, decided
from storage.errors import LogCorrupt, StorageUnavailable
from storage.records import Payload
from storage.registry import open_stores
from storage.sql.stores import open_sql
from storage.sql.summaries import SqlSummaryStore
from storage.sql.summary_folding import (
    FEWEST_EVENTS,
    MOST_EVENTS,
    SLICE_SECONDS,
    Pace,
    folded_slice,
    mark_emptying,
    progress_of,
    put_slice,
)
from storage.stores import Item, Stores
from storage.summary_records import DecisionSummary, SummaryFilter, Totals, TotalsFilter
from tests.storage.processes import started

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
CATCHES_UP = """
import asyncio, sys
from storage.registry import open_stores
async def work():
    stores = await open_stores(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    progress = await stores.summaries.catch_up(seconds=60)
    await stores.close()
    sys.exit(progress.behind)
asyncio.run(work())
"""


def sql_summaries(stores: Stores) -> SqlSummaryStore:
    assert isinstance(stores.summaries, SqlSummaryStore)
    return stores.summaries


async def written(stores: Stores, count: int) -> None:
    """So many decisions of some days, and then what became of them."""
    first = replace(a_decision(Payload.of("")), payload_id="", payload_digest="")
    decisions = [
        replace(
            first,
            id=f"decision_{number}",
            candidate_id=f"candidate_{number % 5}",
            tenant=("ours", "theirs")[number % 2],
            decided_at=NOON + number * timedelta(minutes=11),
        )
        for number in range(count)
    ]
    told: list[Item] = []
    for decision in decisions:
        outcome = an_outcome(decision)
        told += [outcome, a_reward(decision, outcome)]
    await stores.journal.write(*decisions, *told)


async def everything(stores: Stores) -> tuple[list[DecisionSummary], list[list[Totals]]]:
    wanted = [TotalsFilter(by=by) for by in ("time", "candidate", "policy", "task")]
    wanted.append(TotalsFilter(by="task", candidate_id="candidate_1", since=NOON + timedelta(hours=1)))
    rows = await stores.summaries.find(SummaryFilter(limit=10_000))
    return rows, [await stores.summaries.totals(each) for each in wanted]


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_two_processes_that_catch_up_at_once_give_what_one_gives(url: str) -> None:
    stores = await open_stores(url)
    await written(stores, 400)
    processes = [started(CATCHES_UP, url) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None and await asyncio.to_thread(process.stdout.readline) == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, said = await asyncio.to_thread(process.communicate, timeout=60)
        assert process.returncode == 0, said
    together = await everything(stores)
    await stores.summaries.rebuild()
    await stores.summaries.catch_up(seconds=LONG)
    assert await everything(stores) == together
    assert len(together[0]) == sum(each.decisions for each in together[1][0]) == 400
    await stores.close()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_a_slice_that_somebody_else_has_put_in_is_dropped(url: str) -> None:
    stores = await open_stores(url)
    await written(stores, 20)
    summaries = sql_summaries(stores)
    progress = await summaries.database.read(progress_of)
    made = await summaries.database.read(lambda connection: folded_slice(connection, progress, 30))
    for _ in range(2):
        await summaries.writer.run(lambda batch: put_slice(batch, made, Pace()))
    assert (await summaries.database.read(progress_of)).summary.position == 30
    await summaries.rebuild()
    await summaries.writer.run(lambda batch: put_slice(batch, made, Pace()))  # of the time before the rebuilding
    assert await summaries.find(SummaryFilter()) == []
    await summaries.catch_up(seconds=LONG)
    [sums] = await summaries.totals(TotalsFilter(by="policy"))
    assert (sums.decisions, sums.succeeded) == (20, 20)
    await stores.close()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_a_rebuilding_that_was_broken_off_is_ended_by_who_catches_up(url: str) -> None:
    stores = await open_stores(url)
    await written(stores, 30)
    await stores.summaries.catch_up(seconds=LONG)
    before = await everything(stores)
    await sql_summaries(stores).writer.run(mark_emptying)
    assert (await stores.summaries.catch_up(seconds=LONG)).behind == 0
    assert await everything(stores) == before
    await stores.close()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_a_rebuilding_meanwhile_is_not_taken_for_a_damaged_log(url: str) -> None:
    stores = await open_stores(url)
    decision = await decided(stores)
    await stores.summaries.catch_up(seconds=LONG)
    await answered(stores, decision)
    before = await sql_summaries(stores).database.read(progress_of)
    await stores.summaries.rebuild()
    await sql_summaries(stores).go_on(before)
    assert (await stores.summaries.catch_up(seconds=LONG)).behind == 0
    assert (await stores.summaries.get(decision.id)).status == "succeeded"
    await stores.close()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_without_time_one_slice_is_made_and_the_rest_is_told(url: str) -> None:
    stores = await open_stores(url)
    await written(stores, 200)
    progress = await stores.summaries.catch_up(seconds=0)
    assert 0 < progress.position < progress.last_position == 601
    first = (await stores.audit.events(after_position=progress.position, limit=1))[0]
    assert progress.since is not None and progress.since.isoformat()[:19] == first.at[:19]
    while progress.behind:
        progress = await stores.summaries.catch_up(seconds=0)
    assert (progress.position, progress.since) == (601, None)
    await stores.close()


async def test_a_store_that_is_up_to_date_is_asked_one_query(tmp_path: Path) -> None:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db")
    await answered(stores, await decided(stores))
    await stores.summaries.catch_up(seconds=LONG)
    said: list[str] = []

    def remember(connection: Connection, cursor: object, statement: str, *rest: Any) -> None:
        said.append(statement)

    event.listen(Engine, "before_cursor_execute", remember)
    try:
        await stores.summaries.catch_up(seconds=0.1)
    finally:
        event.remove(Engine, "before_cursor_execute", remember)
    assert len(said) == 1
    assert said[0].startswith("SELECT")
    await stores.close()


async def test_a_damaged_log_is_told_by_the_place_and_what_was_made_stays(tmp_path: Path) -> None:
    path = tmp_path / "antroute.db"
    stores = await open_stores(f"sqlite:///{path}")
    whole = await answered(stores, await decided(stores))
    await stores.summaries.catch_up(seconds=LONG)
    later = await decided(stores)
    await answered(stores, later)
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER audit_events_no_update")
    connection.execute("DROP TRIGGER audit_events_no_delete")
    connection.execute("UPDATE audit_events SET canonical = '{\"kind\": 1}' WHERE position = 4")
    connection.commit()
    with pytest.raises(LogCorrupt, match="Event 4 of the log is no decision"):
        await stores.summaries.catch_up(seconds=LONG)
    connection.execute("DELETE FROM audit_events WHERE position = 4")
    connection.commit()
    connection.close()
    with pytest.raises(LogCorrupt, match=f"Event 5 .*{later.id}"):
        await stores.summaries.catch_up(seconds=LONG)
    assert [each.decision_id for each in await stores.summaries.find(SummaryFilter())] == [whole.decision_id]
    await stores.close()


async def test_a_locked_database_is_told_and_takes_the_rows_later(tmp_path: Path) -> None:
    stores = await open_sql(f"sqlite:///{tmp_path}/antroute.db", patience_seconds=0.05)
    await decided(stores)
    other = sqlite3.connect(tmp_path / "antroute.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailable, match="locked"):
        await stores.summaries.catch_up(seconds=LONG)
    with pytest.raises(StorageUnavailable, match="locked"):
        await stores.summaries.rebuild()
    other.execute("ROLLBACK")
    other.close()
    assert (await stores.summaries.catch_up(seconds=LONG)).behind == 0
    assert len(await stores.summaries.find(SummaryFilter())) == 1
    await stores.close()


def test_a_slice_takes_as_many_events_as_fit_its_time() -> None:
    pace = Pace(events=200)
    pace.tell(200, 10 * SLICE_SECONDS)
    assert pace.events == FEWEST_EVENTS
    pace.tell(60, SLICE_SECONDS / 100)
    assert pace.events == 2 * FEWEST_EVENTS  # a little at a time: one lucky slice says not much
    for _ in range(10):
        pace.tell(pace.events, 1e-9)
    assert pace.events == MOST_EVENTS


async def test_what_is_asked_often_is_answered_from_an_index(tmp_path: Path) -> None:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db")
    filters: Sequence[SummaryFilter] = (
        SummaryFilter(),
        SummaryFilter(tenant="ours"),
        SummaryFilter(run_id="run"),
        SummaryFilter(candidate_id="one"),
        SummaryFilter(policy="linucb"),
        SummaryFilter(task="facts"),
        SummaryFilter(plan="vote"),
        SummaryFilter(status="failed"),
        SummaryFilter(is_judged=False),
        SummaryFilter(margin_under=0.01),
        SummaryFilter(tenant="ours", status="failed", before_position=7),
        SummaryFilter(cost_over_usd=Decimal(1)),
    )
    said: list[tuple[str, Any]] = []

    def remember(connection: Connection, cursor: object, statement: str, parameters: Any, *rest: Any) -> None:
        said.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", remember)
    try:
        for wanted in filters:
            await stores.summaries.find(wanted)
    finally:
        event.remove(Engine, "before_cursor_execute", remember)
    queries = {sql: values for sql, values in said if sql.startswith("SELECT")}
    for sql, values in queries.items():
        plan = await sql_summaries(stores).database.read(partial(plan_of, sql=sql, values=values))
        assert not [line for line in plan if line.startswith("SCAN decision_summaries")], (sql, plan)
        is_sorted = any("TEMP B-TREE" in line for line in plan)
        assert is_sorted == ("cost_nano > ?" in sql and "LIMIT" in sql and "count(" not in sql), (sql, plan)
    assert len(queries) >= len(filters)
    await stores.close()


def plan_of(connection: Connection, *, sql: str, values: Any) -> list[str]:
    return [str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all()]
