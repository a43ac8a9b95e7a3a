"""Names of callers' URLs are looked up beside everything else."""

from __future__ import annotations

import asyncio
from threading import Event

import pytest

from orchestrator.webhooks.lookups import Lookups


async def test_names_whose_servers_hang_keep_nobody_else_waiting() -> None:
    gate, has_begun = Event(), asyncio.Semaphore(0)
    loop = asyncio.get_running_loop()

    def hangs(host: str, port: int) -> list[str]:
        loop.call_soon_threadsafe(has_begun.release)
        gate.wait()
        return [host]

    look_up = Lookups(hangs, most=40)
    asked = [asyncio.create_task(look_up(f"name{place}", 443)) for place in range(40)]  # more than any pool has
    try:
        async with asyncio.timeout(10):
            for _ in asked:
                await has_begun.acquire()
            assert await asyncio.to_thread(int) == 0
            assert await loop.getaddrinfo("127.0.0.1", 443)
            with pytest.raises(OSError, match="too many"):
                await look_up("one more", 443)
    finally:
        gate.set()
    assert [found for [found] in await asyncio.gather(*asked)] == [f"name{place}" for place in range(40)]


async def test_caller_that_stops_waiting_leaves_the_lookup_behind() -> None:
    gate = Event()

    def hangs(host: str, port: int) -> list[str]:
        gate.wait()
        raise OSError("nobody hears it")

    look_up = Lookups(hangs, most=1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await look_up("slow", 443)
    with pytest.raises(OSError, match="too many"):
        await look_up("next", 443)
    gate.set()


async def test_name_without_an_address_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match="no host's name"):
        await Lookups()("a" * 70 + ".example", 443)
