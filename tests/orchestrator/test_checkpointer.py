"""The log is signed when it has grown, by one process at a time, and what is signed gets outside in the end."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from orchestrator.audit_keys import KeyFile
from orchestrator.audit_outside import copy_in
from orchestrator.checkpointer import RETRY_SECONDS, Checkpointer
from storage.audit import verify
from storage.registry import open_stores
from storage.signing import Signer
from storage.stores import Stores
from tests.orchestrator.audit_doubles import BreakableOutside, Clock, answered

Make = Callable[..., Checkpointer]
KEY = Signer(b"k" * 32)


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db", writer="first")
    yield stores
    await stores.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outside() -> BreakableOutside:
    return BreakableOutside()


@pytest.fixture
def make(stores: Stores, clock: Clock, outside: BreakableOutside) -> Make:
    def made(of: Stores = stores, key: Signer = KEY) -> Checkpointer:
        key_file = KeyFile(None, given=key)
        return Checkpointer(of, key_file, outside, every_events=10, every_seconds=10, now=clock)

    return made


async def test_nothing_is_signed_until_something_is_in_the_log(stores: Stores, make: Make) -> None:
    assert await make().look(is_last=True) is None
    assert await stores.checkpoints.keys() == []


async def test_the_log_is_signed_after_so_many_events_or_so_long(stores: Stores, make: Make, clock: Clock) -> None:
    checkpointer = make()
    await answered(stores)
    assert await checkpointer.look() is None
    clock.turn(10)
    first = await checkpointer.look()
    assert first is not None
    assert (first.number, first.tree_size) == (1, 3)
    await answered(stores, 4)
    assert await checkpointer.look() is None
    await answered(stores)
    second = await checkpointer.look()
    assert second is not None
    assert second.tree_size == 13
    await answered(stores)
    clock.turn(9.9)
    assert await checkpointer.look() is None
    clock.turn(0.1)
    assert (await checkpointer.look()) is not None
    clock.turn(100)
    assert await checkpointer.look() is None, "nothing is new"
    found = await verify(stores)
    assert (found.is_whole, found.checkpoints, found.sealed_events) == (True, 3, 15)


async def test_a_long_log_is_signed_and_gone_on_with_after_an_opening(stores: Stores, make: Make) -> None:
    await answered(stores, 300)
    await make().look(is_last=True)
    assert len(await stores.checkpoints.tiles()) == 601 // 256
    await answered(stores, 130)
    again = await make().look(is_last=True)
    assert again is not None
    assert again.tree_size == 861
    found = await verify(stores)
    assert (found.is_whole, found.checkpoints) == (True, 2)
    assert len(await stores.checkpoints.tiles()) == 861 // 256


async def test_of_two_replicas_each_number_is_signed_by_one(
    stores: Stores, make: Make, tmp_path: Path, clock: Clock
) -> None:
    other_stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db", writer="second")
    one, other = make(), make(other_stores)
    for turn in range(6):
        await answered(stores if turn % 2 else other_stores, 6)
        clock.turn(11)
        for each in (one, other) if turn % 3 else (other, one):
            await each.look()
    numbers = [each.number for each in await stores.checkpoints.checkpoints()]
    assert numbers == list(range(1, 7))
    assert (await verify(stores)).is_whole
    assert one.notices() == other.notices() == ()
    await other_stores.close()


async def test_a_service_with_another_key_signs_nothing_and_says_so(
    stores: Stores, make: Make, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await answered(stores)
    await make().look(is_last=True)
    await answered(stores)
    clock.turn(11)
    other = make(key=Signer(b"o" * 32))
    with caplog.at_level(logging.ERROR, "antroute.audit"):
        for _ in range(3):
            assert await other.look() is None
    [notice] = other.notices()
    assert f"but {KEY.key_id!r} signs this store" in notice
    assert len(caplog.records) == 1, "told once"


async def test_a_log_that_became_shorter_is_not_signed_again(stores: Stores, make: Make, tmp_path: Path) -> None:
    import sqlite3

    await answered(stores, 2)
    await make().look(is_last=True)
    with sqlite3.connect(tmp_path / "antroute.db") as connection:
        connection.execute("DROP TRIGGER audit_events_no_delete")
        connection.execute("DELETE FROM audit_events WHERE position > 3")
    connection.close()
    later = make()
    assert await later.look() is None
    assert "The log has no event 4" in later.notices()[0] or "The log has 3 events, but 5" in later.notices()[0]


async def test_a_log_that_was_changed_behind_our_back_is_not_signed_again(
    stores: Stores, make: Make, tmp_path: Path
) -> None:
    import sqlite3

    await answered(stores, 2)
    await make().look(is_last=True)
    with sqlite3.connect(tmp_path / "antroute.db") as connection:
        connection.execute("DROP TRIGGER audit_events_no_update")
        connection.execute(f"UPDATE audit_events SET leaf_hash = '{'00' * 32}' WHERE position = 3")
    connection.close()
    await answered(stores)
    later = make()
    assert await later.look(is_last=True) is None
    assert "first 5 events are not those of checkpoint 1" in later.notices()[0]


@pytest.mark.parametrize("damage", ["leaf_hash = 'zz'", "leaf_hash = x'00'", "position = position + 1"])
async def test_a_damaged_event_that_is_not_signed_yet_is_told_and_ends_nothing(
    stores: Stores, make: Make, clock: Clock, tmp_path: Path, damage: str
) -> None:
    import sqlite3

    checkpointer = make()
    await answered(stores)
    await checkpointer.look()
    await answered(stores)
    with sqlite3.connect(tmp_path / "antroute.db") as connection:
        connection.execute("DROP TRIGGER audit_events_no_update")
        connection.execute(f"UPDATE audit_events SET {damage} WHERE position = 5")
    connection.close()
    clock.turn(11)
    assert await checkpointer.look() is None
    assert len(checkpointer.notices()) == 1
    await checkpointer.stop()


async def test_a_key_that_was_removed_from_the_database_is_told_and_ends_nothing(
    stores: Stores, make: Make, outside: BreakableOutside, clock: Clock, tmp_path: Path
) -> None:
    import sqlite3

    await answered(stores)
    outside.is_broken = True
    checkpointer = make()
    clock.turn(11)
    await checkpointer.look()
    with sqlite3.connect(tmp_path / "antroute.db") as connection:
        connection.execute("DROP TRIGGER audit_keys_no_delete")
        connection.execute("DELETE FROM audit_keys")
    connection.close()
    outside.is_broken = False
    clock.turn(RETRY_SECONDS)
    await checkpointer.look()
    assert "are not outside yet: it broke (ValueError)" in checkpointer.notices()[0]


async def test_a_clock_that_was_set_back_delays_nothing(
    stores: Stores, make: Make, outside: BreakableOutside, clock: Clock
) -> None:
    checkpointer = make()
    await answered(stores)
    clock.turn(11)
    outside.is_broken = True
    assert await checkpointer.look() is not None
    outside.is_broken = False
    await answered(stores)
    clock.turn(-3600)
    assert await checkpointer.look() is not None
    assert outside.numbers == [1, 2]


async def test_what_a_broken_place_outside_missed_is_caught_up_when_it_is_whole_again(
    stores: Stores, make: Make, outside: BreakableOutside, clock: Clock
) -> None:
    checkpointer = make()
    outside.is_broken = True
    for _ in range(3):
        await answered(stores)
        clock.turn(11)
        assert await checkpointer.look() is not None, "the database has it all the same"
    assert checkpointer.notices() == (
        "3 signed checkpoints are not outside yet: The disk of the place outside is full.",
    )
    outside.is_broken = False
    await checkpointer.look()
    clock.turn(RETRY_SECONDS)
    await checkpointer.look()
    assert checkpointer.notices() == ()
    assert outside.numbers == [1, 2, 3]
    assert (await verify(stores, outside=copy_in(outside))).outside_checkpoints == 3


async def test_what_was_removed_outside_stays_told_though_it_is_written_anew(
    stores: Stores, make: Make, clock: Clock, outside: BreakableOutside
) -> None:
    checkpointer = make()
    await answered(stores)
    clock.turn(10)
    await checkpointer.look()
    outside.kept, outside.numbers = [], []
    await answered(stores)
    clock.turn(10)
    await checkpointer.look()
    assert outside.numbers == [1, 2]
    [told] = checkpointer.notices()
    assert "held checkpoint 1 and then none: somebody removed them" in told


async def test_what_never_got_outside_is_brought_there_by_the_next_who_opens(
    stores: Stores, make: Make, outside: BreakableOutside
) -> None:
    outside.is_broken = True
    await answered(stores)
    await make().stop()
    outside.is_broken = False
    assert await make().look() is None, "nothing new is to be signed"
    assert outside.numbers == [1]


async def test_the_last_checkpoint_is_made_when_the_service_closes(stores: Stores, make: Make) -> None:
    checkpointer = make()
    checkpointer.start()
    await answered(stores, 3)
    await checkpointer.stop()
    latest = await stores.checkpoints.latest()
    assert latest is not None
    assert latest.tree_size == 7


async def test_an_away_database_is_a_notice_and_no_error(stores: Stores, make: Make) -> None:
    checkpointer = make()
    await answered(stores)
    await stores.close()
    assert await checkpointer.look(is_last=True) is None
    assert "is closed; open it again" in checkpointer.notices()[0]


async def test_a_place_outside_that_knows_more_than_the_database_is_told(
    stores: Stores, make: Make, outside: BreakableOutside
) -> None:
    await answered(stores)
    outside.numbers = [7]
    checkpointer = make()
    await checkpointer.look(is_last=True)
    assert "has checkpoint 7, the database only 1" in checkpointer.notices()[0]
