"""The port to one language model, and its scripted double."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from storage.records import Generation, Message, TokenUsage

FinishReason = Literal["stop", "length"]
REMEMBERED_REQUESTS = 1000  # the newest, that a scripted model was asked


@dataclass(frozen=True, kw_only=True)
class CompletionRequest:
    """One call to a model; `is_answer` marks the call whose text the caller will see, so that it may be streamed."""

    messages: tuple[Message, ...]
    generation: Generation = Generation()
    wants_logprobs: bool = False
    is_answer: bool = False


@dataclass(frozen=True, kw_only=True)
class Completion:
    """What the model said, and what the provider counted."""

    text: str
    usage: TokenUsage
    finish_reason: FinishReason = "stop"
    response_id: str = ""
    token_logprobs: tuple[float, ...] = ()  # natural log, one a token; empty where the endpoint gives none
    top_logprobs: tuple[Mapping[str, float], ...] = ()  # for each token the likeliest, by their text


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A piece of a streamed answer; the last one carries the whole completion."""

    delta: str = ""
    completion: Completion | None = None


class LLM(Protocol):
    """One model behind one endpoint.

    Both calls raise ModelUnavailable, ModelRefused or AnswerCut (with the tokens that must be paid for all the same).
    """

    async def complete(self, request: CompletionRequest) -> Completion: ...

    def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]: ...

    async def close(self) -> None: ...


@dataclass(kw_only=True)
class ScriptedLLM:
    """A language model that a function plays: for tests, examples and demos without a model.

    `reply` gets the request and returns the text, or raises. Tokens are counted as words.
    """

    reply: Callable[[CompletionRequest], str]
    requests: list[CompletionRequest] = field(default_factory=list)

    async def complete(self, request: CompletionRequest) -> Completion:
        self.requests.append(request)
        del self.requests[:-REMEMBERED_REQUESTS]
        text = self.reply(request)
        prompt_words = sum(len(message.content.split()) for message in request.messages)
        return Completion(text=text, usage=TokenUsage(input=prompt_words, output=len(text.split())))

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        completion = await self.complete(request)
        for place, word in enumerate(completion.text.split(" ")):
            yield Chunk(delta=f" {word}" if place else word)
        yield Chunk(completion=completion)

    async def close(self) -> None:
        """Nothing to close."""
