"""The writer thread: shared commits, no acknowledged write lost, wrong writes alone refused."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from storage.audit import verify
from storage.conformance import a_decision, a_payload, an_outcome, written_decision
from storage.errors import InvalidInput, StorageError
from storage.registry import open_stores
from storage.sql.journal import SqlJournal
from storage.stores import Stores
from tests.storage.processes import started

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]

WRITE_FOREVER = """
import asyncio, sys
from storage.conformance import written_decision
from storage.registry import open_stores

async def main():
    stores = await open_stores(sys.argv[1])
    async def write():
        while True:
            print((await written_decision(stores)).id, flush=True)
    await asyncio.gather(*(write() for _ in range(8)))

asyncio.run(main())
"""


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_a_killed_process_loses_no_acknowledged_write(url: str) -> None:
    with started(WRITE_FOREVER, url) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(200)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]
    stores = await open_stores(url)
    for decision_id in acknowledged:
        await stores.decisions.get(decision_id)
    verification = await verify(stores)
    assert verification.is_whole
    assert verification.events_checked > len(acknowledged)
    await written_decision(stores)  # opens the next chain, which quotes the killed one
    verification = await verify(stores)
    assert (verification.is_whole, verification.writers) == (True, 2)
    await stores.close()


def commits_of(stores: Stores) -> list[Connection]:
    """Grows by one with each commit of the writer."""
    commits: list[Connection] = []
    assert isinstance(stores.journal, SqlJournal)
    event.listen(stores.journal.database.writing, "commit", commits.append)
    return commits


async def test_concurrent_callers_share_commits(tmp_path: Path) -> None:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db")
    commits = commits_of(stores)
    await asyncio.gather(*(written_decision(stores) for _ in range(64)))
    assert len(commits) < 16
    await stores.close()


async def test_a_grouped_write_waits_for_company_but_not_for_long(tmp_path: Path) -> None:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db", mode="grouped")
    commits = commits_of(stores)
    for _ in range(49):
        await written_decision(stores)  # two items each
    assert len(commits) < 25  # far fewer than writes, also on a slow machine
    deadline = asyncio.get_running_loop().time() + 5
    while not commits and asyncio.get_running_loop().time() < deadline:
        await written_decision(stores)
    assert commits
    await stores.close()


async def test_close_commits_what_is_queued(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/antroute.db"
    stores = await open_stores(url, mode="grouped")
    decisions = [await written_decision(stores) for _ in range(30)]
    await stores.close()
    stores = await open_stores(url)
    assert [await stores.decisions.get(decision.id) for decision in decisions] == decisions
    await stores.close()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_an_id_that_is_taken_is_refused_alone(url: str) -> None:
    stores = await open_stores(url)
    payload = a_payload()
    decision = a_decision(payload)
    await stores.journal.write(payload, decision)
    good = [a_decision(payload) for _ in range(3)]
    results = await asyncio.gather(
        stores.journal.write(good[0]),
        stores.journal.write(replace(decision, task="another")),
        stores.journal.write(good[1]),
        stores.journal.write(decision),  # the same again: nothing to do
        stores.journal.write(good[2], an_outcome(good[2])),
        return_exceptions=True,
    )
    assert [type(each) for each in results] == [type(None), InvalidInput, type(None), type(None), type(None)]
    for each in (decision, *good):
        assert await stores.decisions.get(each.id) == each
    assert (await verify(stores)).is_whole
    await stores.close()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_a_queued_write_that_is_refused_harms_no_stranger_and_is_told_once_by_flush(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    stores = await open_stores(url, mode="grouped")
    decision = await written_decision(stores)
    for _ in range(2):
        await stores.journal.write(replace(decision, task="a private word"))
    assert await stores.decisions.get(decision.id) == decision  # both were refused by now
    other = await written_decision(stores)
    outcome = an_outcome(other)
    await stores.journal.write(outcome)
    with pytest.raises(StorageError, match=f"2 queued writes were refused .* the first: {decision.id}") as caught:
        await stores.journal.flush()
    assert isinstance(caught.value.__cause__, InvalidInput)
    await stores.journal.flush()
    assert await stores.decisions.outcomes_of(other.id) == [outcome]
    ours = [record.name for record in caplog.records if record.name.startswith("antroute.")]
    assert ours == ["antroute.storage"] * 2
    assert decision.id in caplog.text
    assert "private" not in caplog.text + str(caught.value)
    await stores.close()


async def test_close_tells_what_was_refused_after_storing_the_rest(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/antroute.db"
    stores = await open_stores(url, mode="grouped")
    decision = await written_decision(stores)
    await stores.journal.write(replace(decision, task="another"))
    other = await written_decision(stores)
    with pytest.raises(StorageError, match=f"1 queued writes were refused .* the first: {decision.id}"):
        await stores.close()
    stores = await open_stores(url)
    assert [await stores.decisions.get(each.id) for each in (decision, other)] == [decision, other]
    await stores.close()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_two_openings_write_side_by_side_and_each_keeps_its_chain(url: str) -> None:
    both = [await open_stores(url, writer=name) for name in ("one", "two")]
    for _ in range(5):
        await asyncio.gather(*(written_decision(stores) for stores in both))
    verification = await verify(both[0])
    assert (verification.is_whole, verification.writers, verification.events_checked) == (True, 2, 12)
    for stores in both:
        await stores.close()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_a_writer_s_name_goes_on_with_its_chain_even_when_two_use_it(url: str) -> None:
    both = [await open_stores(url, writer="same") for _ in range(2)]
    for _ in range(3):
        for stores in both:
            await written_decision(stores)
    verification = await verify(both[0])
    assert (verification.is_whole, verification.writers, verification.events_checked) == (True, 1, 7)
    for stores in both:
        await stores.close()


async def test_an_erased_text_is_gone_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "antroute.db"
    stores = await open_stores(f"sqlite:///{path}")
    secret = a_payload("the caller's secret, word for word")
    await stores.journal.write(secret)
    await stores.payloads.erase(secret.id)
    await stores.close()
    assert b"word for word" not in path.read_bytes()
    assert os.listdir(tmp_path) == ["antroute.db"]
