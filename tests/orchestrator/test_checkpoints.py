"""States between steps, in every saver: a later claim goes on from a copy, and a stale one changes nothing of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from orchestrator.checkpoints import Checkpoints
from orchestrator.graph import answers_of
from storage.errors import InvalidInput, StorageUnavailable
from tests.postgres_server import PostgresServer, PostgresUnavailable, running_postgres

CHAIN = {"one": [], "two": ["one"], "three": ["two"]}
PAIR = {"left": [], "right": [], "both": ["left", "right"]}


class Steps:
    """Answers with the step's name and what it needs; raises at those that are to fail."""

    def __init__(self, *failing: str) -> None:
        self.failing = failing
        self.done: list[str] = []

    async def __call__(self, name: str, values: Mapping[str, str]) -> str:
        if name in self.failing:
            raise LookupError(name)
        self.done.append(name)
        return f"{name}({','.join(sorted(values.values()))})"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    try:
        with running_postgres() as server:
            yield server
    except PostgresUnavailable as exc:
        pytest.skip(f"no PostgreSQL can be started: {exc}")


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def checkpoints(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Checkpoints]:
    with ExitStack() as stack:
        url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/a.db"
        if request.param == "postgresql":
            url = stack.enter_context(request.getfixturevalue("postgres").database())
        opened = Checkpoints(url)
        yield opened
        await opened.close()


async def test_next_claim_goes_on_after_the_last_step_that_was_saved(checkpoints: Checkpoints) -> None:
    first, second = Steps("two"), Steps()
    with pytest.raises(LookupError):
        await answers_of(CHAIN, first, thread=await checkpoints.thread("job_a", 1))
    thread = await checkpoints.thread("job_a", 3)  # the second claim died before it saved anything
    assert thread.has_begun
    assert await answers_of(CHAIN, second, thread=thread) == {
        "one": "one()",
        "two": "two(one())",
        "three": "three(one(),two(one()))",
    }
    assert (first.done, second.done) == (["one"], ["two", "three"])


async def test_step_that_was_done_beside_one_that_failed_is_not_done_again(checkpoints: Checkpoints) -> None:
    first, second = Steps("right"), Steps()
    with pytest.raises(LookupError):
        await answers_of(PAIR, first, thread=await checkpoints.thread("job_b", 1))
    await answers_of(PAIR, second, thread=await checkpoints.thread("job_b", 2))
    assert (first.done, second.done) == (["left"], ["right", "both"])


async def test_what_a_stale_claim_saves_counts_for_nothing(checkpoints: Checkpoints) -> None:
    stale = await checkpoints.thread("job_c", 1)
    with pytest.raises(LookupError):
        await answers_of(CHAIN, Steps("two"), thread=stale)
    thread, second = await checkpoints.thread("job_c", 2), Steps()
    late = Steps()
    await answers_of(CHAIN, late, thread=await checkpoints.thread("job_c", 1))  # it goes on as if nothing had been
    await answers_of(CHAIN, second, thread=thread)
    assert second.done == ["two", "three"]


async def test_all_claims_of_a_job_are_forgotten_and_no_other_job_s(checkpoints: Checkpoints) -> None:
    for job_id, fence in (("job_d", 1), ("job_d", 2), ("job_e", 4)):
        await answers_of(CHAIN, Steps(), thread=await checkpoints.thread(job_id, fence))
    kept = await checkpoints.jobs()
    assert (kept["job_d"], kept["job_e"]) == (2, 4)
    await checkpoints.prune("job_d", 2)
    kept = await checkpoints.jobs()
    assert "job_d" not in kept and kept["job_e"] == 4
    assert not (await checkpoints.thread("job_d", 3)).has_begun


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_file_beside_the_store_is_made_only_when_needed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(f"sqlite:///{tmp_path}/a.db")
    assert await checkpoints.jobs() == {}
    assert files(tmp_path) == []
    await checkpoints.thread("job_a", 1)
    assert "a.db.checkpoints" in files(tmp_path)
    await checkpoints.close()


async def test_file_that_cannot_be_had_is_told_in_our_words(tmp_path: Path) -> None:
    checkpoints = Checkpoints(f"sqlite:///{tmp_path}/missing/a.db")
    with pytest.raises(StorageUnavailable, match="cannot be opened"):
        await checkpoints.thread("job_a", 1)
    await checkpoints.close()
    with pytest.raises(InvalidInput, match="No store of checkpoints"):
        await Checkpoints("nothing://x").thread("job_a", 1)


async def test_opening_that_fails_leaves_no_connection_and_a_later_one_may_succeed(tmp_path: Path) -> None:
    file, checkpoints = tmp_path / "a.db.checkpoints", Checkpoints(f"sqlite:///{tmp_path}/a.db")
    file.write_text("This is no database at all." * 100)
    before = set(threading.enumerate())
    for _ in range(2):
        with pytest.raises(StorageUnavailable, match="cannot be opened"):
            await checkpoints.thread("job_a", 1)
        assert set(threading.enumerate()) == before  # a connection has a thread of its own
    file.unlink()
    assert not (await checkpoints.thread("job_a", 1)).has_begun
    await checkpoints.close()
    assert set(threading.enumerate()) == before


@pytest.mark.postgres
async def test_opening_that_fails_leaves_no_pool_behind(postgres: PostgresServer) -> None:
    with postgres.database() as url:
        name = url.partition("?")[0].rpartition("/")[2]
        postgres.execute("CREATE VIEW checkpoint_migrations AS SELECT 1 AS wrong", database=name)
        checkpoints, before = Checkpoints(url), asyncio.all_tasks()
        with pytest.raises(StorageUnavailable, match="cannot be opened"):
            await checkpoints.thread("job_a", 1)
        assert asyncio.all_tasks() == before  # a pool has tasks that keep its connections
        postgres.execute("DROP VIEW checkpoint_migrations", database=name)
        assert not (await checkpoints.thread("job_a", 1)).has_begun
        await checkpoints.close()
