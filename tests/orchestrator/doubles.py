"""Models that stop where a test wants them to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress

from agents.errors import AgentError
from agents.llm import Chunk, Completion, CompletionRequest
from storage.records import TokenUsage


class GatedLLM:
    """Says `words` up to a point, tells `has_begun`, and goes on when `gate` opens; then raises `error`, if any."""

    def __init__(self, words: Sequence[str], *, error: AgentError | None = None, before_gate: int = 1) -> None:
        self.words = list(words)
        self.error = error
        self.before_gate = before_gate
        self.has_begun = asyncio.Event()
        self.gate = asyncio.Event()
        self.was_cancelled = False

    async def complete(self, request: CompletionRequest) -> Completion:
        async for chunk in self.stream(request):
            if chunk.completion is not None:
                return chunk.completion
        raise AssertionError("a stream ends with its completion")

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        for word in self.words[: self.before_gate]:
            yield Chunk(delta=word)
        self.has_begun.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        if self.error is not None:
            raise self.error
        for word in self.words[self.before_gate :]:
            yield Chunk(delta=word)
        usage = TokenUsage(input=10, output=len(self.words))
        yield Chunk(completion=Completion(text="".join(self.words), usage=usage))

    async def close(self) -> None:
        """Nothing to close."""


async def cancelled(task: asyncio.Task[object]) -> None:
    """Cancels the task and waits for its end."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 10.0) -> None:
    """Looks again and again, for what gives no sign when it happens. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)
