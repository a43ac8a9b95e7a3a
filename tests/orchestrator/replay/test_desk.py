"""Replays of a running service stand in line, and the line is short."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.errors import Overloaded
from orchestrator.replay.desk import MOST_IN_LINE, MOST_OF_ONE, ReplayDesk
from storage.errors import RecordNotFound
from tests.conftest import MakeService
from tests.orchestrator.replay.replay_doubles import parts_in


@pytest.fixture
async def desk(make_service: MakeService) -> ReplayDesk:
    return ReplayDesk(parts=parts_in(await make_service()))


async def some_waiting(desk: ReplayDesk, tenant: str | None, count: int) -> list[asyncio.Task[object]]:
    waiting: list[asyncio.Task[object]] = [
        asyncio.create_task(desk.decisions(["decision_0"], tenant=tenant)) for _ in range(count)
    ]
    await asyncio.sleep(0)  # all of them get in line
    return waiting


async def test_a_tenant_can_fill_its_part_of_the_line_and_no_more(desk: ReplayDesk) -> None:
    async with desk.turn:
        waiting = await some_waiting(desk, "one", MOST_OF_ONE)
        with pytest.raises(Overloaded, match=f"{MOST_OF_ONE} replays run or wait"):
            await desk.decisions(["decision_0"], tenant="one")
        waiting += await some_waiting(desk, "two", MOST_IN_LINE - MOST_OF_ONE)
        with pytest.raises(Overloaded):
            await desk.decisions(["decision_0"], tenant=None)
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(each) for each in ended} == {RecordNotFound}, "each had its turn"
    assert desk.in_line.total() == 0


async def test_who_gives_up_waiting_leaves_the_line(desk: ReplayDesk) -> None:
    async with desk.turn:
        for each in await some_waiting(desk, "one", MOST_OF_ONE):
            each.cancel()
        await asyncio.sleep(0)
        assert desk.in_line.total() == 0
