"""Sliding windows of a minute."""

from __future__ import annotations

import pytest
from limits.aio.storage import Storage

from orchestrator.errors import SettingsInvalid
from orchestrator.keys import rate_windows
from orchestrator.keys.rate_windows import LocalWindows, RateWindows
from storage.errors import StorageUnavailable
from tests.orchestrator.keys.clocks import Clock


@pytest.fixture
def windows(clock: Clock) -> RateWindows:
    return RateWindows(LocalWindows(clock=clock))


async def test_so_many_are_taken_and_no_more(windows: RateWindows) -> None:
    rooms = [await windows.take("a", 3) for _ in range(5)]
    assert [room.remaining for room in rooms] == [2, 1, 0, 0, 0]
    assert [room.is_refused for room in rooms] == [False, False, False, True, True]
    assert not (await windows.take("b", 3)).is_refused


async def test_after_the_wait_that_is_told_there_is_room_and_before_it_there_is_none(
    windows: RateWindows, clock: Clock
) -> None:
    clock.passes(20)
    for _ in range(4):
        room = await windows.take("a", 4)
    refused = await windows.take("a", 4)
    assert refused.is_refused
    assert refused.wait_seconds == pytest.approx(40)
    clock.passes(refused.wait_seconds - 0.5)
    assert (await windows.take("a", 4)).is_refused
    clock.passes(1)
    assert not (await windows.take("a", 4)).is_refused
    assert room.reset_seconds == pytest.approx(100)


async def test_what_was_spent_beyond_the_limit_weighs_on_the_next_minute(windows: RateWindows, clock: Clock) -> None:
    await windows.charge("a", 100, 200)
    room = await windows.look("a", 100)
    assert (room.remaining, room.is_refused) == (0, True)
    assert room.wait_seconds == pytest.approx(90)
    clock.passes(89)
    assert (await windows.look("a", 100)).is_refused
    clock.passes(2)
    assert not (await windows.look("a", 100)).is_refused
    clock.passes(60)
    assert (await windows.look("a", 100)).remaining == 100


async def test_looking_takes_nothing(windows: RateWindows) -> None:
    for _ in range(10):
        assert (await windows.look("a", 1)).remaining == 1


async def test_no_sliding_minute_holds_much_more_than_the_limit(windows: RateWindows, clock: Clock) -> None:
    taken = []
    for _ in range(600):
        if not (await windows.take("a", 10)).is_refused:
            taken.append(clock())
        clock.passes(0.5)
    most = max(sum(1 for each in taken if start <= each < start + 60) for start in taken)
    assert most <= 13  # the one before is taken as spread evenly
    assert len(taken) >= 40  # 300 s of 10 a minute, less the edges


async def test_windows_that_have_passed_are_swept(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_windows, "MOST_WINDOWS", 10)
    storage = LocalWindows(clock=clock)
    windows = RateWindows(storage)
    for number in range(10):
        await windows.take(f"k{number}", 5)
    clock.passes(180)
    await windows.take("new", 5)
    assert len(storage._counts) == 1


class AwayStorage(LocalWindows):
    """A shared storage that does not answer."""

    STORAGE_SCHEME = None

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        raise rate_windows.StorageError(ConnectionRefusedError("away"))


async def test_shared_storage_that_is_away_is_an_error_of_the_operators() -> None:
    windows = RateWindows(AwayStorage())
    for work in (windows.take("a", 1), windows.look("a", 1), windows.charge("a", 1, 1)):
        with pytest.raises(StorageUnavailable, match="rate limits does not answer: ConnectionRefusedError"):
            await work


@pytest.mark.parametrize("url", ["nosuch://:hunter2@localhost:1", "memcached://hunter2:1"])
def test_storage_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="rate_limit_storage") as refused:
        RateWindows.at(url)
    assert "hunter2" not in f"{refused.value} {refused.value.hint}"


def test_no_url_means_this_process() -> None:
    assert isinstance(RateWindows.at(None)._storage, LocalWindows)
    assert issubclass(LocalWindows, Storage)
