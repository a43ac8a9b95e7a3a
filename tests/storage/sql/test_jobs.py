"""Jobs in SQL: several openings that race, a second try of a write, rows that nobody may change, indexes that serve."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Select, event, text
from sqlalchemy.dialects.sqlite import dialect
from sqlalchemy.exc import DBAPIError

from storage.audit import verify
from storage.conformance_deliveries import a_delivery
from storage.conformance_jobs import (
    AFTER_LEASE,
    DONE,
    NOON,
    a_job,
    a_note,
    claimed,
    fence_of,
    kinds_of,
    running,
    submitted,
)
from storage.conformance_keys import a_key
from storage.errors import IdempotencyConflict, LeaseLost, LogCorrupt
from storage.job_records import JobFilter
from storage.records import Amount, BudgetAccount, Payload, usd
from storage.registry import open_stores
from storage.sql.deliveries import DUE as DUE_DELIVERIES
from storage.sql.engine import open_database
from storage.sql.job_writes import DUE, EXPIRED, OVERDUE
from storage.sql.jobs import SqlJobStore, page_of
from storage.sql.tables import jobs
from storage.stores import Stores
from tests.storage.processes import started

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
CLAIMS = """
import asyncio, sys
from storage.conformance_jobs import claimed
from storage.registry import open_stores
async def work():
    stores = await open_stores(sys.argv[1])
    while jobs := await claimed(stores, worker=sys.argv[2], most=3):
        print(*(job.id for job in jobs), flush=True)
    await stores.close()
asyncio.run(work())
"""


def sql_jobs(stores: Stores) -> SqlJobStore:
    assert isinstance(stores.jobs, SqlJobStore)
    return stores.jobs


async def claims_of(url: str, worker: str) -> list[str]:
    """Every job that an opening of its own gets, a few at a time."""
    stores = await open_stores(url)
    taken: list[str] = []
    while found := await claimed(stores, worker=worker, most=2):
        taken += [job.id for job in found]
    await stores.close()
    return taken


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_openings_in_threads_of_their_own_never_claim_one_job_twice(url: str) -> None:
    stores = await open_stores(url)
    given = await stores.jobs.submit([a_job() for _ in range(60)])
    threads = (asyncio.to_thread(asyncio.run, claims_of(url, f"worker_{n}")) for n in range(3))
    taken = [job_id for each in await asyncio.gather(*threads) for job_id in each]
    assert sorted(taken) == sorted(job.id for job in given)
    assert (await stores.jobs.counts())["running"] == 60
    await stores.close()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_processes_never_claim_one_job_twice(url: str) -> None:
    stores = await open_stores(url)
    given = await stores.jobs.submit([a_job() for _ in range(30)])
    processes = [started(CLAIMS, url, name) for name in ("one", "other")]
    taken: list[str] = []
    for process in processes:
        out, said = await asyncio.to_thread(process.communicate, timeout=60)
        assert process.returncode == 0, said
        taken += out.split()
    assert sorted(taken) == sorted(job.id for job in given)
    assert [await kinds_of(stores, job) for job in given] == [["queued", "started"]] * 30
    await stores.close()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_two_openings_that_submit_under_one_key_make_one_job(url: str) -> None:
    here, there = await open_stores(url), await open_stores(url)
    for number in range(10):
        requests = ("same", "same" if number % 2 else "other")
        calls = [
            stores.jobs.submit([a_job(idempotency_key=f"key_{number}", request_sha256=request)])
            for stores, request in zip((here, there), requests, strict=True)
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(answer, IdempotencyConflict) for answer in answers) == 1 - number % 2
    assert [job.position for job in await here.jobs.find(JobFilter())] == list(range(10, 0, -1))
    for stores in (here, there):
        await stores.close()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_what_another_opening_claimed_is_closed_to_this_one(url: str) -> None:
    here, there = await open_stores(url, mode="grouped"), await open_stores(url)
    await here.budgets.open(BudgetAccount(id="acme", limit_usd=usd(1)))
    job, stale = await running(here)
    hold = await here.budgets.hold("acme", Amount(usd=usd("0.1")), expires_in_seconds=60, fence=stale)
    await claimed(there, worker="worker_2", now=AFTER_LEASE)
    late = Payload.of("too late")
    for call in (
        here.journal.write(late, fence=stale),
        here.budgets.hold("acme", Amount(usd=usd("0.1")), expires_in_seconds=60, fence=stale),
        here.budgets.settle(hold.id, Amount(), fence=stale),
        here.jobs.note(stale, a_note(job)),
        here.jobs.finish(stale, DONE),
    ):
        with pytest.raises(LeaseLost):
            await call
    assert (await there.budgets.get("acme")).held == Amount(usd=usd("0.1"))
    assert await kinds_of(there, job) == ["queued", "started", "resumed"]
    for stores in (here, there):
        await stores.close()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_jobs_keys_and_messages_are_there_after_a_restart(url: str) -> None:
    stores = await open_stores(url)
    job, fence = await running(stores)
    await stores.jobs.note(fence, a_note(job))
    key = await stores.keys.put(a_key("one"))
    message = await stores.deliveries.put(a_delivery())
    await stores.close()
    stores = await open_stores(url)
    assert await stores.jobs.get(job.id) == job
    assert await kinds_of(stores, job) == ["queued", "started", "step_started"]
    assert (await stores.jobs.counts())["running"] == 1
    assert await stores.keys.of_digest(key.digest) == key
    assert await stores.deliveries.find() == [message]
    assert [each.position for each in (await submitted(stores), await submitted(stores))] == [2, 3]
    assert (await verify(stores)).is_whole
    await stores.close()


@pytest.mark.parametrize("statement", ["UPDATE job_events SET kind = 'failed'", "DELETE FROM job_events"])
@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_the_database_itself_refuses_to_change_a_job_s_events(url: str, statement: str) -> None:
    stores = await open_stores(url)
    job = await submitted(stores)
    beside = open_database(url, is_durable=True, patience_seconds=1)
    with pytest.raises(DBAPIError, match="kept as they were written"), beside.writing.begin() as connection:
        connection.execute(text(statement))
    beside.dispose()
    assert await kinds_of(stores, job) == ["queued"]
    await stores.close()


async def _submit(stores: Stores) -> Any:
    return await stores.jobs.submit([a_job(id="job_new")])


async def _claim(stores: Stores) -> Any:
    return [job.fence for job in await claimed(stores, now=AFTER_LEASE)]


async def _note(stores: Stores) -> Any:
    [job] = await stores.jobs.find(JobFilter())
    return await stores.jobs.note(fence_of(job), a_note(job))


async def _finish(stores: Stores) -> Any:
    [job] = await stores.jobs.find(JobFilter())
    return await stores.jobs.finish(fence_of(job), DONE, deliveries=[a_delivery(id="msg_1")])


async def _release(stores: Stores) -> Any:
    [job] = await stores.jobs.find(JobFilter())
    return await stores.jobs.release(fence_of(job))


async def _cancel(stores: Stores) -> Any:
    [job] = await stores.jobs.find(JobFilter())
    return await stores.jobs.cancel(job.id)


async def _put_key(stores: Stores) -> Any:
    return await stores.keys.put(a_key("one"))


async def _due(stores: Stores) -> Any:
    return len(await stores.deliveries.due(now=NOON, most=5, lease_seconds=60))


@pytest.mark.parametrize("call", [_submit, _claim, _note, _finish, _release, _cancel, _put_key, _due])
async def test_a_call_that_is_tried_again_after_its_commit_is_done_once(
    tmp_path: Path, call: Callable[[Stores], Awaitable[Any]]
) -> None:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db")
    await running(stores)
    await stores.deliveries.put(a_delivery())
    broken: list[str] = []

    @event.listens_for(sql_jobs(stores).database.writing, "commit")
    def break_once(connection: Connection) -> None:
        if not broken:
            broken.append("the answer is lost")
            connection.exec_driver_sql("COMMIT")
            raise DBAPIError("COMMIT", None, sqlite3.OperationalError("disk I/O error"), connection_invalidated=True)

    told = await call(stores)
    assert broken
    assert told != 0 and told != []
    kinds = [each for job in await stores.jobs.find(JobFilter()) for each in await kinds_of(stores, job)]
    assert len(kinds) == len(set(kinds)) + (call is _submit)  # the new job is queued too
    assert sum((await stores.jobs.counts()).values()) == 1 + (call is _submit)
    assert (await verify(stores)).is_whole
    await stores.close()


async def test_damaged_rows_of_jobs_and_keys_are_told(tmp_path: Path) -> None:
    path = tmp_path / "antroute.db"
    stores = await open_stores(f"sqlite:///{path}")
    job, key = await submitted(stores), await stores.keys.put(a_key("one"))
    connection = sqlite3.connect(path)
    connection.execute("UPDATE jobs SET sent = '{}'")
    connection.execute("UPDATE api_keys SET record = '{\"rates\": {}}'")
    connection.commit()
    connection.close()
    with pytest.raises(LogCorrupt, match="A stored job is none"):
        await stores.jobs.get(job.id)
    with pytest.raises(LogCorrupt, match="A stored key or tenant is none"):
        await stores.keys.get(key.id)
    await stores.close()


def plan_of(connection: Connection, *, query: Select[Any]) -> str:
    compiled = query.compile(dialect=dialect(), compile_kwargs={"render_postcompile": True})
    values = {"now": "2026", "most": 5, **compiled.params}
    sql = f"EXPLAIN QUERY PLAN {compiled}"
    given = tuple(values[name] if values[name] is not None else 5 for name in compiled.positiontup or ())
    return " ".join(str(row) for row in connection.exec_driver_sql(sql, given).all())


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (DUE, "jobs_queue"),
        (OVERDUE, "jobs_deadline"),
        (DUE_DELIVERIES, "webhook_deliveries_due"),
        (page_of(JobFilter(tenant="a", before_position=9)), "jobs_tenant"),
        (page_of(JobFilter(tenant="a", state="queued")), "jobs_tenant_state"),
        (page_of(JobFilter(state="failed")), "jobs_ended"),
        (jobs.select().where(jobs.c.tenant == "a", jobs.c.idempotency_key.in_(["b"])), "jobs_key"),
    ],
    ids=["due", "overdue", "deliveries", "tenant", "tenant and state", "state", "key"],
)
async def test_what_is_asked_often_goes_by_its_index_and_sorts_nothing(
    tmp_path: Path, query: Select[Any], index: str
) -> None:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db")
    plan = await sql_jobs(stores).database.read(partial(plan_of, query=query))
    assert re.search(rf"INDEX {index}\b", plan) and "TEMP B-TREE" not in plan, plan
    await stores.close()


async def test_expired_leases_are_looked_up_among_running_jobs_alone(tmp_path: Path) -> None:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db")
    plan = await sql_jobs(stores).database.read(partial(plan_of, query=EXPIRED))
    assert "INDEX jobs_lease " in plan, plan
    await stores.close()
