"""Gathers what callers ask while an actor is busy: one batch at a time, and the next one fills up meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(eq=False, kw_only=True)
class _Asked(Generic[T, R]):
    key: str
    items: Sequence[T]
    answer: asyncio.Future[list[R]]


class Batches(Generic[T, R]):
    """`work` gets a key and items, blocks in a thread, and gives as many results; equal keys share a batch.

    A batch takes whole requests, the oldest first, until it has `most` items; a larger request is one by itself.
    """

    def __init__(self, work: Callable[[str, Sequence[T]], Sequence[R]], *, most: int) -> None:
        self._work = work
        self._most = most
        self._waiting: list[_Asked[T, R]] = []
        self._worker: asyncio.Task[None] | None = None
        self.count = 0  # batches so far

    async def results(self, key: str, items: Sequence[T]) -> list[R]:
        """One an item, in order. Raises what `work` raises."""
        asked = _Asked[T, R](key=key, items=items, answer=asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work_off())
        return await asked.answer

    async def _work_off(self) -> None:
        while self._waiting:
            batch = self._next()
            self.count += 1
            items = [item for asked in batch for item in asked.items]
            work = asyncio.create_task(asyncio.to_thread(self._work, batch[0].key, items))
            await asyncio.wait([work])
            if (error := work.exception()) is not None:
                _tell(batch, error)
                continue
            results = list(work.result())
            for asked in batch:
                mine, results = results[: len(asked.items)], results[len(asked.items) :]
                if not asked.answer.done():
                    asked.answer.set_result(mine)
        self._worker = None

    def _next(self) -> list[_Asked[T, R]]:
        first, *others = self._waiting
        batch, room = [first], self._most - len(first.items)
        for asked in others:
            if asked.key == first.key and len(asked.items) <= room:
                batch.append(asked)
                room -= len(asked.items)
        self._waiting = [asked for asked in others if asked not in batch]
        return batch


def _tell(batch: Sequence[_Asked[T, R]], error: BaseException) -> None:
    for asked in batch:
        if not asked.answer.done():
            asked.answer.set_exception(error)
