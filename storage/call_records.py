"""What a caller's conversation with a model holds beside plain words: tools, formats, several replies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """A model's wish that the caller runs one of the caller's own tools."""

    id: str
    name: str
    arguments: str  # JSON as the model wrote it, which may be wrong


@dataclass(frozen=True, kw_only=True)
class CallOptions:
    """What the caller asks of the model itself, as OpenAI's API has it; the JSON texts are passed on as they are."""

    tools: str = ""  # JSON list; empty: none
    tool_choice: str = ""  # JSON
    parallel_tool_calls: bool | None = None
    response_format: str = ""  # JSON object
    replies: int = 1  # OpenAI's `n`
    wants_logprobs: bool = False
    top_logprobs: int = 0  # likeliest tokens a place, with `wants_logprobs`

    @property
    def is_plain(self) -> bool:
        """Whether one text is asked for, and nothing else."""
        return self is PLAIN_CALL or self == PLAIN_CALL

    @property
    def texts(self) -> tuple[str, ...]:
        """What the prompt grows by."""
        return (self.tools, self.tool_choice, self.response_format)


PLAIN_CALL = CallOptions()


@dataclass(frozen=True, kw_only=True)
class ModelReply:
    """One of the replies to a call: words, tool calls, or the words of a refusal."""

    index: int = 0
    text: str = ""
    refusal: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: FinishReason = "stop"
    logprobs: str = ""  # JSON object as the endpoint sent it; empty: none

    @property
    def is_empty(self) -> bool:
        return not (self.text.strip() or self.refusal or self.tool_calls)


@dataclass(frozen=True, kw_only=True)
class ToolCallPiece:
    """What a streamed event adds to a tool call; id and name come with its first piece."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, kw_only=True)
class ReplyPiece:
    """What a streamed event adds to one of the replies."""

    index: int = 0
    text: str = ""
    refusal: str = ""
    tool_calls: tuple[ToolCallPiece, ...] = ()
    logprobs: str = ""  # JSON object; empty: none

    @property
    def words(self) -> str:
        """All that the model wrote here."""
        calls = (f"{call.name}{call.arguments}" for call in self.tool_calls)
        return "".join((self.text, self.refusal, *calls))
