"""What only PostgreSQL has: rows that an administrator changes, connections that break, sessions that hold a lock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, event

from storage.audit import verify
from storage.conformance import written_decision
from storage.conformance_jobs import DONE, a_note, kinds_of, running, submitted
from storage.conformance_skills import a_skill, added
from storage.conformance_versions import registered
from storage.errors import BudgetExceeded, LeaseLost, RecordNotFound, ServiceError, StorageUnavailable
from storage.records import Amount, BudgetAccount, Hold, usd
from storage.registry import open_stores
from storage.sql.engine import APPEND_LOCK
from storage.sql.jobs import SqlJobStore
from storage.sql.stores import open_sql
from storage.stores import Stores
from tests.postgres_server import PostgresServer

psycopg = pytest.importorskip("psycopg")
pytestmark = pytest.mark.postgres

OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    with postgres.database() as url:
        yield url


def sql_jobs(stores: Stores) -> SqlJobStore:
    assert isinstance(stores.jobs, SqlJobStore)
    return stores.jobs


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET tenant = 'other'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "DELETE FROM payloads",
        "TRUNCATE spans",
        "UPDATE artifact_files SET content = ''",
        "DELETE FROM artifact_files",
        "TRUNCATE artifact_files",
        "UPDATE skill_versions SET body = ''",
        "DELETE FROM skill_versions",
        "TRUNCATE skill_versions",
        "UPDATE skill_moves SET record = ''",
        "DELETE FROM skill_moves",
        "TRUNCATE skill_moves",
        "UPDATE job_events SET kind = 'failed'",
        "DELETE FROM job_events",
        "TRUNCATE job_events",
    ],
)
async def test_the_triggers_block_update_delete_and_truncate(url: str, statement: str) -> None:
    stores = await open_stores(url)
    await written_decision(stores)
    await registered(stores, "first")
    await added(stores, a_skill())
    await submitted(stores)
    await stores.skills.move(["pdf-forms"], "removed", reason="", by="alice")
    with pytest.raises(psycopg.errors.RaiseException, match="its rows are kept as they were written"):
        execute(url, statement)
    assert (await verify(stores)).is_whole
    await stores.close()


@pytest.mark.parametrize("column", ["tenant", "candidate_id", "canonical", "leaf_hash", "chain_hash", "at", "writer"])
async def test_what_an_administrator_changes_is_found_and_named(url: str, column: str) -> None:
    stores = await open_stores(url)
    for _ in range(3):
        await written_decision(stores)
    execute(url, "ALTER TABLE audit_events DISABLE TRIGGER ALL")
    execute(url, f"UPDATE audit_events SET {column} = overlay({column} PLACING '~' FROM 2) WHERE position = 3")
    bad = (await verify(stores)).first_bad_event
    assert bad is not None
    assert bad.position == 3
    await stores.close()


async def test_a_broken_connection_is_replaced_without_a_word(url: str) -> None:
    stores = await open_stores(url)
    before = await written_decision(stores)
    execute(url, f"SELECT pg_terminate_backend(pid) {OTHERS}")
    after = await written_decision(stores)
    assert await stores.decisions.get(before.id) == before
    assert await stores.decisions.get(after.id) == after
    assert (await verify(stores)).is_whole
    await stores.close()


async def test_broken_connections_of_short_and_of_other_reads_are_replaced_without_a_word(url: str) -> None:
    stores = await open_stores(url)
    job = await submitted(stores)
    for _ in range(2):
        assert await stores.jobs.get(job.id) == job
        assert await asyncio.gather(*(stores.jobs.events(job.id) for _ in range(8)))
        execute(url, f"SELECT pg_terminate_backend(pid) {OTHERS}")
    with pytest.raises(RecordNotFound):
        await stores.jobs.get("job_unknown")
    assert await stores.jobs.get(job.id) == job
    assert await stores.jobs.events(job.id)
    await stores.close()


async def test_short_reads_at_once_share_a_connection_and_each_has_its_own_answer(url: str) -> None:
    stores = await open_stores(url)
    jobs = [await submitted(stores) for _ in range(5)]
    asked = [job.id for job in jobs * 10] + ["job_unknown"]
    found = await asyncio.gather(*map(stores.jobs.get, asked), return_exceptions=True)
    assert found[:-1] == jobs * 10
    assert isinstance(found[-1], RecordNotFound)
    with psycopg.connect(url) as other:
        row = other.execute(f"SELECT count(*) {OTHERS}").fetchone()
    assert row is not None and row[0] <= 3  # the writer's, one that looked for the migration, and this one
    await stores.close()


async def test_short_read_with_a_programming_error_tells_its_caller_and_the_next_one_works(url: str) -> None:
    stores = await open_sql(url)
    job = await submitted(stores)
    with pytest.raises(ZeroDivisionError):
        await sql_jobs(stores).database.peek(lambda connection: 1 // 0)
    assert await stores.jobs.get(job.id) == job
    await stores.close()


async def test_short_read_that_the_database_does_not_answer_fails_in_bounded_time(url: str) -> None:
    stores = await open_sql(url, patience_seconds=0.2)
    job = await submitted(stores)
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StorageUnavailable, match="answers too slowly"):
            await stores.jobs.get(job.id)
    assert await stores.jobs.get(job.id) == job
    await stores.close()


async def test_a_lock_that_another_session_holds_fails_in_bounded_time_and_then_works_again(url: str) -> None:
    stores = await open_sql(url, patience_seconds=0.1)
    with psycopg.connect(url) as other:
        other.execute(f"SELECT pg_advisory_xact_lock({APPEND_LOCK})")
        with pytest.raises(StorageUnavailable, match="is locked by another process"):
            await written_decision(stores)
    decision = await written_decision(stores)
    assert await stores.decisions.get(decision.id) == decision
    await stores.close()


async def test_what_waits_together_shares_a_commit_and_each_sees_what_the_ones_before_did(url: str) -> None:
    """A job's two notes, its holds, its end, and a note and a hold that come too late, all in one transaction."""
    stores = await open_sql(url)
    job, fence = await running(stores)
    other, other_fence = await running(stores)
    await stores.budgets.open(BudgetAccount(id="payer", limit_usd=usd("1")))
    commits: list[Connection] = []
    event.listen(sql_jobs(stores).database.writing, "commit", commits.append)
    budgets, cent = stores.budgets, Amount(usd=usd("0.01"))
    with psycopg.connect(url) as session:
        session.execute(f"SELECT pg_advisory_xact_lock({APPEND_LOCK})")
        first = asyncio.create_task(stores.jobs.note(other_fence, a_note(other)))  # waits for the lock alone
        await asyncio.sleep(0.05)
        works = [
            stores.jobs.note(fence, a_note(job)),
            budgets.open(BudgetAccount(id="own", limit_usd=usd("0.03"), parent_id="payer")),
            budgets.hold("own", cent, expires_in_seconds=60, fence=fence),
            budgets.hold("own", Amount(usd=usd("0.03")), expires_in_seconds=60, fence=fence),
            stores.jobs.note(fence, a_note(job), a_note(job)),
            stores.jobs.finish(fence, DONE),
            stores.jobs.note(fence, a_note(job)),
            budgets.hold("own", cent, expires_in_seconds=60, fence=fence),
            stores.jobs.note(other_fence, a_note(other)),
            stores.jobs.release(other_fence),
            stores.jobs.note(other_fence, a_note(other)),
        ]
        done = asyncio.gather(*works, return_exceptions=True)
        await asyncio.sleep(0.05)
        session.rollback()
        await first
        results = await done
    refused = [place for place, result in enumerate(results) if isinstance(result, LeaseLost)]
    assert (len(commits), refused) == (2, [6, 7, 10])
    assert isinstance(results[3], BudgetExceeded)
    assert [
        error for error in results if isinstance(error, BaseException) and not isinstance(error, ServiceError)
    ] == []
    steps = ["step_started"] * 3
    assert await kinds_of(stores, job) == ["queued", "started", *steps, "succeeded"]
    assert await kinds_of(stores, other) == ["queued", "started", *steps[:2], "released"]
    assert [(await budgets.get(name)).held_usd for name in ("own", "payer")] == [usd("0.01")] * 2
    held = results[2]
    assert isinstance(held, Hold)
    await budgets.settle(held.id, cent)
    assert [(await budgets.get(name)).spent_usd for name in ("own", "payer")] == [usd("0.01")] * 2
    assert (await verify(stores)).is_whole
    await stores.close()


async def test_a_missing_database_is_named(postgres: PostgresServer) -> None:
    with pytest.raises(StorageUnavailable, match="does not exist"):
        await open_stores(postgres.url("no_such_database"))
