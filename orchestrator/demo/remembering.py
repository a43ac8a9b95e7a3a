"""A model that is not asked the same thing twice: what one policy paid for, the next pays again without the wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextvars import ContextVar

from agents.llm import LLM, Chunk, Completion, CompletionRequest

replayed_seconds: ContextVar[list[float] | None] = ContextVar("replayed_seconds", default=None)


class RememberingLLM:
    """Remembers answers given at temperature 0, with their tokens and the seconds they took.

    A comparison asks each policy the same questions. At temperature 0 the same request has the same answer, so it is
    computed once; tokens are billed each time, and the remembered seconds are added to `replayed_seconds`.
    """

    def __init__(self, wrapped: LLM) -> None:
        self.wrapped = wrapped
        self.request_to_answer: dict[CompletionRequest, asyncio.Task[tuple[Completion, float]]] = {}

    async def complete(self, request: CompletionRequest) -> Completion:
        if request.generation.temperature > 0:
            return await self.wrapped.complete(request)
        task = self.request_to_answer.get(request)
        is_first = task is None or (task.done() and (task.cancelled() or task.exception() is not None))
        if task is None or is_first:
            task = self.request_to_answer[request] = asyncio.create_task(self._timed(request))
        completion, seconds = await asyncio.shield(task)
        total = replayed_seconds.get()
        if total is not None and not is_first:
            total.append(seconds)
        return completion

    def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        return self.wrapped.stream(request)

    async def close(self) -> None:
        for task in self.request_to_answer.values():
            task.cancel()
        await asyncio.gather(*self.request_to_answer.values(), return_exceptions=True)
        await self.wrapped.close()

    async def _timed(self, request: CompletionRequest) -> tuple[Completion, float]:
        started = time.perf_counter()
        completion = await self.wrapped.complete(request)
        return completion, time.perf_counter() - started
