"""How a server ends: at once when nothing is under way, else when that is over, or cut short."""

from __future__ import annotations

import asyncio

from orchestrator.draining import Draining
from orchestrator.overload import Admission


async def test_with_nothing_under_way_it_is_over_at_once() -> None:
    draining = Draining(Admission(), seconds=60, cut_short=list)
    over = asyncio.create_task(draining.over())
    await asyncio.sleep(0)
    assert not over.done()
    draining.told()
    async with asyncio.timeout(10):
        await over


async def test_what_is_under_way_may_end() -> None:
    admission, cut = Admission(), list[str]()
    draining = Draining(admission, seconds=60, cut_short=lambda: cut.append("cut"))
    await admission.enter()
    draining.told()
    over = asyncio.create_task(draining.over())
    await asyncio.sleep(0)
    admission.leave()
    async with asyncio.timeout(10):
        await over
    assert cut == []


async def test_after_its_time_it_is_cut_short() -> None:
    admission = Admission()
    draining = Draining(admission, seconds=0.01, cut_short=admission.leave)
    await admission.enter()
    draining.told()
    async with asyncio.timeout(10):
        await draining.over()
    assert admission.under_way == 0


async def test_a_second_signal_cuts_it_short() -> None:
    admission = Admission()
    draining = Draining(admission, seconds=3600, cut_short=admission.leave)
    await admission.enter()
    over = asyncio.create_task(draining.over())
    draining.told()
    draining.told()
    async with asyncio.timeout(10):
        await over


async def test_jobs_at_hand_may_end_though_no_request_is_open() -> None:
    ended, cut = asyncio.Event(), list[str]()

    async def jobs() -> None:
        await ended.wait()

    draining = Draining(Admission(), seconds=60, cut_short=lambda: cut.append("cut"), jobs=jobs)
    draining.told()
    over = asyncio.create_task(draining.over())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not over.done()
    ended.set()
    async with asyncio.timeout(10):
        await over
    assert cut == []


async def test_a_second_signal_hurries_jobs_too() -> None:
    ended = asyncio.Event()

    async def jobs() -> None:
        await ended.wait()

    draining = Draining(Admission(), seconds=3600, cut_short=ended.set, jobs=jobs)
    draining.told()
    draining.told()
    async with asyncio.timeout(10):
        await draining.over()
    assert ended.is_set()
