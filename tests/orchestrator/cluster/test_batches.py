"""What is asked while an actor is busy becomes one batch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from orchestrator.cluster.batches import Batches


class Doubler:
    """Gives each number twice; waits for `gate` in its first batch."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.seen: list[tuple[str, list[int]]] = []

    def __call__(self, key: str, items: Sequence[int]) -> list[int]:
        self.seen.append((key, list(items)))
        if len(self.seen) == 1:
            self.gate.wait(10)
        if 0 in items:
            raise ValueError("nothing to double")
        return [2 * item for item in items]


async def asked(batches: Batches[int, int], *requests: tuple[str, list[int]]) -> list[asyncio.Task[list[int]]]:
    """The requests, all of them waiting."""
    tasks = [asyncio.create_task(batches.results(key, items)) for key, items in requests]
    await asyncio.sleep(0)
    return tasks


async def test_requests_that_come_while_one_is_worked_on_share_a_batch_and_each_gets_its_own() -> None:
    work = Doubler()
    batches: Batches[int, int] = Batches(work, most=8)
    [first] = await asked(batches, ("a", [1]))
    others = await asked(batches, ("a", [2, 3]), ("a", [4]), ("b", [5]), ("a", []))
    work.gate.set()
    assert await first == [2]
    assert await asyncio.gather(*others) == [[4, 6], [8], [10], []]
    assert work.seen == [("a", [1]), ("a", [2, 3, 4]), ("b", [5])]
    assert batches.count == 3


async def test_a_batch_has_its_most_and_a_larger_request_is_one_by_itself() -> None:
    work = Doubler()
    work.gate.set()
    batches: Batches[int, int] = Batches(work, most=2)
    tasks = await asked(batches, ("a", [1, 2, 3]), ("a", [4]), ("a", [5]), ("a", [6]))
    await asyncio.gather(*tasks)
    assert [items for _, items in work.seen] == [[1, 2, 3], [4, 5], [6]]


async def test_an_error_reaches_those_of_its_batch_and_the_next_batch_is_worked_on() -> None:
    work = Doubler()
    batches: Batches[int, int] = Batches(work, most=8)
    [first] = await asked(batches, ("a", [1]))
    bad, beside, other = await asked(batches, ("a", [0]), ("a", [2]), ("b", [3]))
    work.gate.set()
    for task in (bad, beside):
        with pytest.raises(ValueError, match="nothing to double"):
            await task
    assert (await first, await other) == ([2], [6])


async def test_a_caller_who_leaves_takes_no_other_with_it() -> None:
    work = Doubler()
    batches: Batches[int, int] = Batches(work, most=8)
    [first] = await asked(batches, ("a", [1]))
    left, stayed = await asked(batches, ("a", [2]), ("a", [3]))
    left.cancel()
    work.gate.set()
    assert (await first, await stayed) == ([2], [6])
