"""Lets a plan see how sure the model was of each token, without any agent knowing of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace

from agents.llm import LLM, Chunk, Completion, CompletionRequest


@dataclass
class Observed:
    """Of the latest call; empty where the endpoint gives no log-probabilities."""

    token_logprobs: tuple[float, ...] = ()  # natural log, one a token
    top_logprobs: tuple[Mapping[str, float], ...] = ()

    def see(self, completion: Completion) -> None:
        self.token_logprobs, self.top_logprobs = completion.token_logprobs, completion.top_logprobs


class ObservedLLM:
    """Asks each call for log-probabilities and keeps the latest call's."""

    def __init__(self, wrapped: LLM, observed: Observed) -> None:
        self.wrapped = wrapped
        self.observed = observed

    async def complete(self, request: CompletionRequest) -> Completion:
        completion = await self.wrapped.complete(replace(request, wants_logprobs=True))
        self.observed.see(completion)
        return completion

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        async for chunk in self.wrapped.stream(replace(request, wants_logprobs=True)):
            if chunk.completion is not None:
                self.observed.see(chunk.completion)
            yield chunk

    async def close(self) -> None:
        await self.wrapped.close()
