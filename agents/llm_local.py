"""Talks to a local model through its server process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from agents.llm import Chunk, Completion, CompletionRequest
from agents.llm_openai import OpenAILLM
from agents.local_models import LocalModelServer

ANSWER_TIMEOUT_SECONDS = 120.0


class LocalLLM:
    """One local model behind its server process. `timeout_seconds` bounds an answer, not the wait for its turn.

    `close` also stops the server.
    """

    def __init__(
        self, server: LocalModelServer, *, model: str = "", timeout_seconds: float = ANSWER_TIMEOUT_SECONDS
    ) -> None:
        self.server = server
        self.model = model or server.path.stem
        self._timeout_seconds = timeout_seconds
        self._address = ""
        self._wrapped: OpenAILLM | None = None

    def __repr__(self) -> str:
        return f"LocalLLM(model={self.model!r})"

    async def complete(self, request: CompletionRequest) -> Completion:
        async with self.server.turn() as (address, api_key):
            return await (await self._at(address, api_key)).complete(request)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        async with (
            self.server.turn() as (address, api_key),
            aclosing((await self._at(address, api_key)).stream(request)) as chunks,
        ):
            async for chunk in chunks:
                yield chunk

    async def close(self) -> None:
        wrapped, self._wrapped = self._wrapped, None
        if wrapped is not None:
            await wrapped.close()
        await self.server.stop()

    async def _at(self, address: str, api_key: str) -> OpenAILLM:
        """The client of this address; a process that was started again has a new one."""
        if self._wrapped is None or self._address != address:
            if self._wrapped is not None:
                await self._wrapped.close()
            self._address = address
            self._wrapped = OpenAILLM(
                base_url=f"{address}/v1", model=self.model, api_key=api_key, timeout_seconds=self._timeout_seconds
            )
        return self._wrapped
