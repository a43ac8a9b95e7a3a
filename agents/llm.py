"""The port to one language model, and its scripted double."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from storage.call_records import PLAIN_CALL, CallOptions, ModelReply, ReplyPiece, ToolCallPiece
from storage.call_records import FinishReason as FinishReason
from storage.records import Generation, Message, TokenUsage

REMEMBERED_REQUESTS = 1000  # the newest, that a scripted model was asked


@dataclass(frozen=True, kw_only=True)
class CompletionRequest:
    """One call to a model; `is_answer` marks the call whose text the caller will see, so that it may be streamed."""

    messages: tuple[Message, ...]
    generation: Generation = Generation()
    wants_logprobs: bool = False
    is_answer: bool = False
    call: CallOptions = PLAIN_CALL  # of the caller, where the agent passes them on


@dataclass(frozen=True, kw_only=True)
class Completion:
    """What the model said, and what the provider counted."""

    text: str
    usage: TokenUsage
    finish_reason: FinishReason = "stop"
    response_id: str = ""
    token_logprobs: tuple[float, ...] = ()  # natural log, one a token; empty where the endpoint gives none
    top_logprobs: tuple[Mapping[str, float], ...] = ()  # for each token the likeliest, by their text
    replies: tuple[ModelReply, ...] = ()  # all of them, where the call was not plain; `text` is the first one's


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A piece of a streamed answer; the last one carries the whole completion."""

    delta: str = ""
    piece: ReplyPiece | None = None  # in place of `delta`, where the call was not plain
    completion: Completion | None = None


class LLM(Protocol):
    """One model behind one endpoint.

    Both calls raise ModelUnavailable, ModelRefused or AnswerCut (with the tokens that must be paid for all the same).
    """

    async def complete(self, request: CompletionRequest) -> Completion: ...

    def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]: ...

    async def close(self) -> None: ...


def piece_of(reply: ModelReply) -> ReplyPiece:
    """The whole reply as one piece of a stream."""
    calls = tuple(
        ToolCallPiece(index=place, id=call.id, name=call.name, arguments=call.arguments)
        for place, call in enumerate(reply.tool_calls)
    )
    return ReplyPiece(
        index=reply.index, text=reply.text, refusal=reply.refusal, tool_calls=calls, logprobs=reply.logprobs
    )


@dataclass(kw_only=True)
class ScriptedLLM:
    """A language model that a function plays: for tests, examples and demos without a model.

    `reply` gets the request and returns the text, all the replies to a call that is not plain, or raises. Tokens are
    counted as words.
    """

    reply: Callable[[CompletionRequest], str | Sequence[ModelReply]]
    requests: list[CompletionRequest] = field(default_factory=list)

    async def complete(self, request: CompletionRequest) -> Completion:
        self.requests.append(request)
        del self.requests[:-REMEMBERED_REQUESTS]
        said = self.reply(request)
        replies = () if isinstance(said, str) else tuple(said)
        text = said if isinstance(said, str) else replies[0].text
        prompt_words = sum(len(message.content.split()) for message in request.messages)
        return Completion(
            text=text,
            usage=TokenUsage(input=prompt_words, output=len(text.split())),
            finish_reason=replies[0].finish_reason if replies else "stop",
            replies=replies,
        )

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        completion = await self.complete(request)
        for reply in completion.replies:
            yield Chunk(piece=piece_of(reply))
        if completion.replies:
            yield Chunk(completion=completion)
            return
        for place, word in enumerate(completion.text.split(" ")):
            yield Chunk(delta=f" {word}" if place else word)
        yield Chunk(completion=completion)

    async def close(self) -> None:
        """Nothing to close."""
