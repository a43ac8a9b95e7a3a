"""What a memory learns outlives its process, is counted once, and can be looked at as it was."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from orchestrator.trail_keeper import TrailKeeper, rebuilt
from routing.base import Context, Lesson
from routing.pheromone.base import ShownMemory, TrailMemory
from routing.pheromone.memory import PheromoneMemory
from routing.registry import make_policy
from storage.errors import InvalidInput, StorageUnavailable
from storage.records import Payload
from storage.registry import open_stores
from storage.stores import Stores, TrailStore
from storage.trail_forms import snapshot_of
from storage.trail_records import TrailEvent
from tests.orchestrator.doubles import until
from tests.orchestrator.trail_doubles import AwayStore, DoubleMemory

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def lesson(number: int, **changes: object) -> TrailEvent:
    """The deposit of one decision, an hour after the one before."""
    event = TrailEvent(
        memory="double",
        mixture={"sql": 0.75, "mathe": 0.25},
        stage="solve",
        candidate_id=f"candidate_{number % 2}",
        utility=1.0 if number % 3 else 0.0,
        decision_id=f"decision_{number}",
        at=NOON + timedelta(hours=number),
    )
    return replace(event, **changes)  # type: ignore[arg-type]  # fields by name, checked by use


def a_keeper(
    store: TrailStore, memory: DoubleMemory | None = None, **options: int | float
) -> tuple[TrailKeeper, DoubleMemory]:
    live = memory or DoubleMemory()
    return TrailKeeper(store, [(live, DoubleMemory)], **options), live  # type: ignore[arg-type]  # numbers, as named


async def restored(store: TrailStore) -> DoubleMemory:
    """The memory of a process that starts now."""
    keeper, memory = a_keeper(store)
    await keeper.restore()
    return memory


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db")
    yield stores
    await stores.close()


def test_the_double_is_what_a_keeper_takes() -> None:
    assert isinstance(DoubleMemory(), TrailMemory)
    assert isinstance(DoubleMemory(), ShownMemory)


def test_the_policies_that_learn_trails_are_kept_and_can_be_looked_at() -> None:
    policies = {name: make_policy(name) for name in ("pheromone", "amro_paper", "uniform")}
    assert [name for name, policy in policies.items() if isinstance(policy, TrailMemory)] == ["pheromone", "amro_paper"]
    assert [name for name, policy in policies.items() if isinstance(policy, ShownMemory)] == ["pheromone", "amro_paper"]


async def test_the_pheromone_memory_comes_back_bit_for_bit(stores: Stores) -> None:
    """From events alone, and from a snapshot and the events after it; with vectors, restarts and a reset among them."""
    live = PheromoneMemory()
    keeper = TrailKeeper(stores.trails, [(live, PheromoneMemory)], snapshot_events=40)
    generator = np.random.default_rng(7)
    for number in range(100):
        text = Payload.of(f"query {number % 9}")
        await stores.journal.write(text)
        vector = np.roll(np.eye(16, dtype=np.float32)[0], number % 9)
        context = Context(
            task="sql",
            task_mixture={"sql": 0.8, "mathe": 0.2},
            vector=np.zeros(1),
            encoder="made up",
            embedding=vector,
        )
        taught = Lesson(
            reward=float(generator.random()),
            quality=0.5,
            decision_id=f"decision_{number}",
            payload_id=text.id,
            at=NOON + timedelta(hours=number),
        )
        live.observe(f"candidate_{number % 3}", context, taught)
        if number == 50:
            await keeper.reset("pheromone", candidate_id="candidate_2")
        await keeper.flush()
    events = await stores.trails.events("pheromone")
    replayed = PheromoneMemory()
    for event in events:
        replayed.apply(event)
    back = await rebuilt(stores.trails, PheromoneMemory, "pheromone")
    assert 0 < back.saved_position < back.position == len(events)
    assert json.dumps(live.state()) == json.dumps(replayed.state()) == json.dumps(back.memory.state())


async def test_what_was_learned_is_there_after_a_restart(stores: Stores) -> None:
    keeper, memory = a_keeper(stores.trails)
    await keeper.restore()
    for number in range(10):
        memory.learn(lesson(number))
    await keeper.stop()
    assert memory.count() == 10
    assert (await restored(stores.trails)).state() == memory.state()


async def test_it_is_stored_in_the_background_without_being_asked(stores: Stores) -> None:
    keeper, memory = a_keeper(stores.trails, flush_seconds=0.01)
    await keeper.restore()
    keeper.start()
    memory.learn(lesson(1))

    async def is_stored() -> bool:
        return len(await stores.trails.events("double")) == 1

    await until(is_stored)
    await keeper.stop()


async def test_a_snapshot_comes_with_enough_events_and_at_the_end(stores: Stores) -> None:
    store = AwayStore(stores.trails)
    keeper, memory = a_keeper(store, snapshot_events=4)
    await keeper.restore()
    positions = []
    for number in range(10):
        memory.learn(lesson(number))
        await keeper.flush()
        snapshot = await stores.trails.snapshot("double")
        positions.append(snapshot.position if snapshot else 0)
    assert positions == [0, 0, 0, 4, 4, 4, 4, 8, 8, 8]
    await keeper.stop()
    last = await stores.trails.snapshot("double")
    assert last is not None
    assert (last.position, last.state) == (10, memory.state())
    await keeper.stop()
    assert store.snapshots == 3  # nothing new, no new snapshot


async def test_a_start_takes_the_snapshot_and_the_events_after_it(stores: Stores) -> None:
    keeper, memory = a_keeper(stores.trails, snapshot_events=4)
    for number in range(6):
        memory.learn(lesson(number))
        await keeper.flush()
    forged = {"cells": [["sql", "solve", "told", {"n": 4.0}]], "decisions": ["decision_3"], "vectors": {}}
    await stores.trails.put_snapshot(snapshot_of("double", 5, forged))
    found = await restored(stores.trails)
    assert found.count() == 5.0  # four of the snapshot, one of the event after it
    assert ("sql", "solve", "told") in found.cells_by_key


async def test_a_snapshot_that_does_not_fit_is_passed_over_and_told(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    keeper, memory = a_keeper(stores.trails)
    memory.learn(lesson(1))
    await keeper.flush()
    await stores.trails.put_snapshot(snapshot_of("double", 1, {"from": "another version"}))
    assert (await restored(stores.trails)).state() == memory.state()
    assert "rebuilt from its events" in caplog.text


async def test_the_state_of_any_moment_can_be_rebuilt(stores: Stores) -> None:
    keeper, memory = a_keeper(stores.trails, snapshot_events=3)
    moment_to_state = {}
    for number in range(8):
        memory.learn(lesson(number))
        await keeper.flush()
        moment_to_state[NOON + timedelta(hours=number, minutes=30)] = memory.state()
    for moment, state in moment_to_state.items():
        assert await keeper.state_at("double", moment) == state
    assert await keeper.state_at("double", NOON - timedelta(seconds=1)) == DoubleMemory().state()
    with pytest.raises(InvalidInput, match="no time zone"):
        await keeper.state_at("double", datetime(2026, 3, 1))
    with pytest.raises(InvalidInput, match="did you mean 'double'"):
        await keeper.state_at("doubel", NOON)


async def test_a_moment_after_a_snapshot_is_rebuilt_from_it(stores: Stores) -> None:
    keeper, memory = a_keeper(stores.trails)
    memory.learn(lesson(1))
    await keeper.stop()
    rebuilt = await keeper.memory_at("double", datetime.now(UTC) + timedelta(seconds=1))
    assert (rebuilt.saved_position, rebuilt.memory.state()) == (1, memory.state())


async def test_learning_the_log_again_fills_gaps_and_counts_nothing_twice(stores: Stores) -> None:
    """The double forgets all but three decisions: that nothing counts twice is the keeper's doing."""
    keeper, memory = a_keeper(stores.trails)
    for number in (0, 1, 2, 3, 5, 6, 7, 8, 9):  # the process died before 4 was stored
        memory.learn(lesson(number))
    await keeper.stop()
    for _ in range(2):  # and again at the next start
        keeper, memory = a_keeper(stores.trails)
        await keeper.restore()
        for number in range(10):
            memory.learn(lesson(number, id=f"trail_again_{number}_{id(keeper)}"))
        assert memory.count() > 10
        await keeper.settle()
        assert memory.count() == 10
        assert keeper.pending == 0
    assert sorted(event.decision_id or "" for event in await stores.trails.events("double")) == [
        f"decision_{number}" for number in range(10)
    ]


async def test_what_is_learned_while_it_settles_stays_learned(stores: Stores) -> None:
    keeper, memory = a_keeper(stores.trails)
    settling = asyncio.create_task(keeper.settle())
    await asyncio.sleep(0)  # it waits for the store now
    memory.learn(lesson(1))
    await settling
    assert memory.count() == 1
    await keeper.flush()
    assert len(await stores.trails.events("double")) == 1


async def test_while_the_database_is_away_nothing_is_lost_and_all_comes_once(stores: Stores) -> None:
    store = AwayStore(stores.trails)
    keeper, memory = a_keeper(store)
    store.is_away = True
    for number in range(3):
        memory.learn(lesson(number))
        with pytest.raises(StorageUnavailable):
            await keeper.flush()
    assert (keeper.pending, memory.count()) == (3, 3)
    store.is_away = False
    await keeper.flush()
    await keeper.flush()
    assert keeper.pending == 0
    assert [event.decision_id for event in await stores.trails.events("double")] == [
        "decision_0",
        "decision_1",
        "decision_2",
    ]
    assert memory.count() == 3


async def test_the_background_goes_on_after_the_database_was_away(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    store = AwayStore(stores.trails)
    store.is_away = True
    keeper, memory = a_keeper(store, flush_seconds=0.01)
    keeper.start()
    memory.learn(lesson(1))

    async def is_told() -> bool:
        return "wait for the database" in caplog.text

    async def is_stored() -> bool:
        return len(await stores.trails.events("double")) == 1

    await until(is_told)
    store.is_away = False
    await until(is_stored)
    await keeper.stop()


async def test_a_write_whose_answer_was_lost_is_not_applied_again(stores: Stores) -> None:
    store = AwayStore(stores.trails)
    keeper, memory = a_keeper(store)
    memory.learn(lesson(1))
    event = memory.reset(stage=None, candidate_id=None)
    memory.pending.append(event)
    memory.learn(lesson(2))
    store.loses_answer = True
    with pytest.raises(StorageUnavailable):
        await keeper.flush()
    await keeper.flush()
    assert memory.count() == 1  # the reset came before it, and not again after it
    assert (await restored(stores.trails)).state() == memory.state()


async def test_what_cannot_be_stored_at_the_end_is_told(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    store = AwayStore(stores.trails)
    keeper, memory = a_keeper(store)
    keeper.start()
    memory.learn(lesson(1))
    store.is_away = True
    with caplog.at_level(logging.CRITICAL):
        await keeper.stop()
    assert "1 changes of trails could not be stored" in caplog.text


async def test_a_change_that_the_store_refuses_does_not_hold_up_the_others(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    keeper, memory = a_keeper(stores.trails)
    memory.learn(lesson(1))
    memory.pending.append(lesson(2, utility=7.0, id="trail_wrong"))
    memory.learn(lesson(3))
    await keeper.flush()
    assert [event.decision_id for event in await stores.trails.events("double")] == ["decision_1", "decision_3"]
    assert "trail_wrong" in caplog.text


async def test_two_processes_end_with_one_memory(stores: Stores) -> None:
    """Their memories learn in different orders; what the store holds gives one state to both and to a third."""
    (one, mine), (other, theirs) = a_keeper(stores.trails), a_keeper(stores.trails)
    for number in range(0, 20, 2):
        mine.learn(lesson(number))
        theirs.learn(lesson(number + 1))
        theirs.learn(lesson(number))  # both had this one
        await asyncio.gather(one.flush(), other.flush())
    await one.flush()
    assert (mine.count(), theirs.count()) == (20, 20)
    await asyncio.gather(one.stop(), other.stop())
    assert (await restored(stores.trails)).count() == 20
    snapshot = await stores.trails.snapshot("double")
    assert snapshot is not None
    replayed = DoubleMemory()
    for event in await stores.trails.events("double"):
        replayed.apply(event)
    assert snapshot.state == replayed.state()


async def test_many_at_once_flush_in_turn(stores: Stores) -> None:
    keeper, memory = a_keeper(stores.trails, snapshot_events=5)
    for number in range(30):
        memory.learn(lesson(number))
    await asyncio.gather(*(keeper.flush(snapshot=True) for _ in range(8)))
    assert len(await stores.trails.events("double")) == 30
    assert (await restored(stores.trails)).count() == 30


async def test_a_reset_is_an_event_and_is_heard_elsewhere(stores: Stores) -> None:
    heard: list[str] = []
    live, theirs = DoubleMemory(), DoubleMemory()
    keeper = TrailKeeper(stores.trails, [(live, DoubleMemory)])
    other = TrailKeeper(stores.trails, [(theirs, DoubleMemory)], on_change=heard.append)
    for number in range(4):
        live.learn(lesson(number))
    await keeper.flush()
    await other.flush()
    heard.clear()
    event = await keeper.reset("double", candidate_id="candidate_1")
    assert {key[2] for key in live.cells_by_key} == {"candidate_0"}
    await other.flush()
    assert theirs.state() == live.state()
    assert heard == ["double"]
    [stored] = [each for each in await stores.trails.events("double") if each.kind == "reset"]
    assert (stored.id, stored.candidate_id) == (event.id, "candidate_1")
    assert (await restored(stores.trails)).state() == live.state()


async def test_what_was_reset_does_not_come_back_when_the_log_is_learned_again(stores: Stores) -> None:
    keeper, memory = a_keeper(stores.trails)
    for number in range(5):
        memory.learn(lesson(number))
    await keeper.flush()
    await keeper.reset("double")
    await keeper.stop()
    keeper, memory = a_keeper(stores.trails)
    await keeper.restore()
    for number in range(5):
        memory.learn(lesson(number, id=f"trail_again_{number}"))
    await keeper.settle()
    assert memory.count() == 0


async def test_an_erased_text_leaves_no_vector_in_the_memory_or_its_snapshots(stores: Stores) -> None:
    keeper, memory = a_keeper(stores.trails)
    texts = [Payload.of("How many rows?"), Payload.of("Another.")]
    await stores.journal.write(*texts)
    for number, text in enumerate(texts):
        memory.learn(lesson(number, payload_id=text.id, embedding=b"\x01\x02"))
    await keeper.flush(snapshot=True)
    assert set(memory.vectors) == {text.id for text in texts}
    await stores.payloads.erase(texts[0].id)
    assert await stores.trails.snapshot("double") is None
    await keeper.flush(snapshot=True)
    assert set(memory.vectors) == {texts[1].id}
    snapshot = await stores.trails.snapshot("double")
    assert snapshot is not None
    assert set(snapshot.state["vectors"]) == {texts[1].id}
    assert memory.count() == 2  # what was learned of it stays
    assert set((await restored(stores.trails)).vectors) == {texts[1].id}


async def test_a_text_erased_before_its_event_is_stored_leaves_no_vector(stores: Stores) -> None:
    keeper, memory = a_keeper(stores.trails)
    text = Payload.of("How many rows?")
    await stores.journal.write(text)
    memory.learn(lesson(1, payload_id=text.id, embedding=b"\x01\x02"))
    await stores.payloads.erase(text.id)
    await keeper.flush()
    assert memory.vectors == {}
    assert memory.count() == 1
