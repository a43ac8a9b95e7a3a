"""What was done is written, now or as soon as the database takes it again."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from agents.llm import CompletionRequest, ScriptedLLM
from orchestrator.recorder import MOST_PENDING, Entry, Recorder
from orchestrator.service import Service
from storage.audit import verify
from storage.conformance import a_decision, a_payload, a_reward, an_outcome
from storage.errors import RecordNotFound, StorageUnavailable
from storage.job_records import Fence
from storage.records import Amount, BudgetAccount, Decision, Outcome, Reward
from storage.registry import open_stores
from storage.sql.stores import open_sql
from storage.stores import DecisionFilter, Item, Stores
from tests.conftest import MakeService
from tests.orchestrator.doubles import until

SOON_SECONDS = 0.05


class Lock:
    """Another program's lock on the database."""

    def __init__(self, path: Path) -> None:
        self.other = sqlite3.connect(path, isolation_level=None)

    def take(self) -> None:
        self.other.execute("BEGIN EXCLUSIVE")

    def free(self) -> None:
        self.other.execute("ROLLBACK")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


@pytest.fixture
async def stores(path: Path) -> Stores:
    """Closed by the service that is made over it."""
    return await open_sql(f"sqlite:///{path}", patience_seconds=SOON_SECONDS)


@pytest.fixture
def lock(path: Path, stores: Stores) -> Iterator[Lock]:
    lock = Lock(path)
    yield lock
    lock.other.close()


async def written(service: Service) -> None:
    await emptied(service.nodes.recorder)


async def emptied(recorder: Recorder) -> None:
    async def is_empty() -> bool:
        return not recorder.pending

    await until(is_empty)


async def test_database_locked_in_mid_run_loses_nothing(make_service: MakeService, stores: Stores, lock: Lock) -> None:
    def lock_and_answer(request: CompletionRequest) -> str:
        lock.take()
        return "Paris"

    service = await make_service(small=lock_and_answer, large=lambda request: "Rome", stores=stores)
    service.nodes.recorder.retry_seconds = SOON_SECONDS
    with pytest.raises(StorageUnavailable, match="locked") as raised:
        await service.run("Where?", candidate="small")
    assert raised.value.hint
    assert (await stores.budgets.get("default")).held_usd > 0
    with pytest.raises(StorageUnavailable, match="locked"):
        await service.run("And where?", candidate="large")
    lock.free()
    await written(service)
    (outcome,) = await stores.decisions.outcomes_of(str(raised.value.decision_id))
    assert outcome.status == "succeeded"
    account = await stores.budgets.get("default")
    assert account.held_usd == 0
    assert account.spent_usd == outcome.cost_usd
    assert (await service.run("And now?", candidate="large")).answer == "Rome"
    assert (await verify(stores)).is_whole


async def test_lock_when_the_decision_is_to_be_stored_runs_nothing_and_holds_nothing(
    make_service: MakeService, stores: Stores, lock: Lock
) -> None:
    class LockedBudgets:
        def __getattr__(self, name: str) -> Any:
            if name == "hold" and not lock.other.in_transaction:
                lock.take()
            return getattr(stores.budgets, name)

    model = ScriptedLLM(reply=lambda request: "hello")
    service = await make_service(small=model, stores=replace(stores, budgets=LockedBudgets()))
    with pytest.raises(StorageUnavailable):
        await service.run("hello", candidate="small")
    lock.free()
    assert model.requests == []
    assert not service.nodes.recorder.pending
    assert await stores.decisions.find(DecisionFilter()) == []
    assert (await stores.budgets.get("default")).held_usd == 0


async def test_bug_while_the_database_is_locked_is_still_the_error_that_is_raised(
    make_service: MakeService, stores: Stores, lock: Lock
) -> None:
    def lock_and_break(request: CompletionRequest) -> str:
        lock.take()
        raise KeyError("choices")

    service = await make_service(small=lock_and_break, stores=stores)
    service.nodes.recorder.retry_seconds = SOON_SECONDS
    with pytest.raises(KeyError):
        await service.run("hello", candidate="small")
    lock.free()
    await written(service)
    assert (await stores.budgets.get("default")).held_usd == 0


@contextmanager
def read_only(stores: Stores) -> Iterator[None]:
    """The database takes no write, as on a disk that was remounted."""
    engine = stores.journal.database.writing  # type: ignore[attr-defined]  # the SQL journal's
    is_forbidden = True

    def forbid(connection: Connection, cursor: sqlite3.Cursor, *_: object) -> None:
        cursor.execute(f"PRAGMA query_only={int(is_forbidden)}")

    event.listen(engine, "before_cursor_execute", forbid)
    yield
    is_forbidden = False


async def test_read_only_database_is_named_and_outlived(make_service: MakeService, stores: Stores) -> None:
    service = await make_service(stores=stores)
    await service.run("hello", candidate="small")
    with read_only(stores), pytest.raises(StorageUnavailable, match="read-only"):
        await service.run("hello", candidate="small")
    await service.run("hello", candidate="small")
    assert (await verify(stores)).is_whole


async def test_what_waits_at_the_end_is_written_then(make_service: MakeService, path: Path, stores: Stores) -> None:
    lock = Lock(path)

    def lock_and_answer(request: CompletionRequest) -> str:
        lock.take()
        return "Paris"

    service = await make_service(small=lock_and_answer, stores=stores)
    with pytest.raises(StorageUnavailable) as raised:
        await service.run("hello", candidate="small")
    lock.free()
    lock.other.close()
    await service.close()
    again = await open_stores(f"sqlite:///{path}")
    outcomes = await again.decisions.outcomes_of(str(raised.value.decision_id))
    assert [outcome.status for outcome in outcomes] == ["succeeded"]
    await again.close()


class FailingJournal:
    """Refuses with each of `errors` in turn, then takes everything."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.items: list[Item] = []

    async def write(self, *items: Item, fence: Fence | None = None) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.items += items

    async def flush(self) -> None:
        """Nothing is queued."""


@pytest.fixture
async def memory() -> AsyncIterator[Stores]:
    stores = await open_stores("memory:")
    yield stores
    await stores.close()


def entry(decision_id: str) -> Entry:
    outcome = Outcome(decision_id=decision_id, run_id="run_1", status="succeeded")
    return Entry(hold_id=None, items=(outcome,))


def nothing(decision: Decision, reward: Reward) -> None:
    """Learns nothing."""


async def test_reward_that_had_to_wait_is_learned_once_it_is_written(memory: Stores) -> None:
    lessons: list[str] = []
    payload = a_payload()
    decision = a_decision(payload)
    outcome = an_outcome(decision)
    reward = a_reward(decision, outcome)
    recorder = Recorder(
        replace(memory, journal=FailingJournal(StorageUnavailable("Away."))),
        learn=lambda decision, reward: lessons.append(reward.id),
        retry_seconds=0.01,
    )
    recorder.start()
    with pytest.raises(StorageUnavailable, match="could not be recorded yet"):
        await recorder.record(Entry(items=(outcome, reward), decision=decision, reward=reward))
    assert lessons == []
    await emptied(recorder)
    await recorder.stop()
    assert lessons == [reward.id]


async def test_record_that_is_refused_for_good_does_not_hold_up_the_rest(
    memory: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    away = StorageUnavailable("Away.")
    journal = FailingJournal(away, away, RecordNotFound("No such decision."))
    recorder = Recorder(replace(memory, journal=journal), learn=nothing, retry_seconds=0.01)
    recorder.start()
    for name in ("decision_a", "decision_b"):
        with pytest.raises(StorageUnavailable, match="could not be recorded yet"):
            await recorder.record(entry(name))
    await emptied(recorder)
    await recorder.stop()
    assert [item.decision_id for item in journal.items if isinstance(item, Outcome)] == ["decision_b"]
    assert any(r.levelno == logging.CRITICAL and "decision_a" in r.message for r in caplog.records)


async def test_no_new_work_is_taken_while_too_much_waits(make_service: MakeService) -> None:
    service = await make_service()
    service.nodes.recorder.pending.extend([entry("decision_a")] * MOST_PENDING)
    with pytest.raises(StorageUnavailable, match="no new work"):
        await service.run("hello")
    service.nodes.recorder.pending.clear()
    assert await service.stores.decisions.find(DecisionFilter()) == []


async def test_hold_that_ran_out_counts_as_spent_and_is_told(memory: Stores, caplog: pytest.LogCaptureFixture) -> None:
    await memory.budgets.open(BudgetAccount(id="a", limit_usd=Decimal(1)))
    await memory.budgets.hold("a", Amount(usd=Decimal("0.25")), expires_in_seconds=0)
    recorder = Recorder(memory, learn=nothing)
    caplog.set_level(logging.WARNING)

    async def is_free() -> bool:
        return (await memory.budgets.get("a")).held_usd == 0

    recorder.start()
    await until(is_free)
    await recorder.stop()
    assert (await memory.budgets.get("a")).spent_usd == Decimal("0.25")
    assert "ran out unsettled" in caplog.text
