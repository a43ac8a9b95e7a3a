"""Tool calls, several replies and log-probabilities in OpenAI's format, read without trust and written with care."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import orjson

from storage.call_records import CallOptions, FinishReason, ModelReply, ReplyPiece, ToolCall, ToolCallPiece
from storage.records import Generation, Message

FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter"})
REPLIES_LIMIT = 128  # OpenAI's own
TOOL_CALLS_LIMIT = 128  # of one reply


def message_body(message: Message) -> dict[str, object]:
    """The turn as a chat completions call has it."""
    if message.parts:
        content: object = orjson.loads(message.parts)
    else:
        content = without_surrogates(message.content)
    body: dict[str, object] = {"role": message.role, "content": content}
    if message.name:
        body["name"] = message.name
    if message.tool_call_id:
        body["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        body["content"] = content or None  # some endpoints refuse an empty text beside tool calls
        body["tool_calls"] = [call_body(call) for call in message.tool_calls]
    return body


def call_body(call: ToolCall) -> dict[str, object]:
    function = {"name": call.name, "arguments": without_surrogates(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def options_body(call: CallOptions) -> dict[str, object]:
    """What a call that is not plain has more in its body."""
    texts = {"tools": call.tools, "tool_choice": call.tool_choice, "response_format": call.response_format}
    body: dict[str, object] = {name: orjson.loads(text) for name, text in texts.items() if text}
    if call.parallel_tool_calls is not None and call.tools:
        body["parallel_tool_calls"] = call.parallel_tool_calls
    if call.replies > 1:
        body["n"] = call.replies
    if call.wants_logprobs:
        body["logprobs"] = True
    if call.top_logprobs:  # 0 is left out: some endpoints take it for no log-probabilities at all
        body["top_logprobs"] = call.top_logprobs
    return body


def sampling_body(generation: Generation) -> dict[str, object]:
    """What of the sampling is said only where the caller says it."""
    body: dict[str, object] = {}
    if generation.seed is not None:
        body["seed"] = generation.seed
    if generation.stop:
        body["stop"] = [without_surrogates(stop) for stop in generation.stop]
    for name in ("top_p", "presence_penalty", "frequency_penalty"):
        if (value := getattr(generation, name)) is not None:
            body[name] = value
    return body


def without_surrogates(text: str) -> str:
    """The text with each lone surrogate, which UTF-8 cannot carry, as a question mark."""
    return text.encode("utf-8", "replace").decode()


def finish_reason_of(found: object) -> FinishReason:
    return cast(FinishReason, found) if found in FINISH_REASONS else "stop"


def replies_of(choices: Sequence[object]) -> tuple[ModelReply, ...]:
    """The replies of an answer that was not streamed, by their index."""
    found = [_reply(choice, place) for place, choice in enumerate(choices[:REPLIES_LIMIT]) if _is_object(choice)]
    return tuple(sorted(found, key=lambda reply: reply.index))


def _reply(choice: object, place: int) -> ModelReply:
    read = as_mapping(choice)
    message = as_mapping(read.get("message"))
    calls = [_call(call) for call in _objects(message.get("tool_calls"))[:TOOL_CALLS_LIMIT]]
    return ModelReply(
        index=_index(read.get("index"), place),
        text=as_text(message.get("content")),
        refusal=as_text(message.get("refusal")),
        tool_calls=tuple(calls),
        finish_reason=_finish(read.get("finish_reason"), has_calls=bool(calls)),
        logprobs=_logprobs_text(read.get("logprobs")),
    )


def _call(found: Mapping[str, object]) -> ToolCall:
    function = as_mapping(found.get("function"))
    return ToolCall(
        id=as_text(found.get("id")), name=as_text(function.get("name")), arguments=_arguments(function.get("arguments"))
    )


def _arguments(found: object) -> str:
    """JSON text; some endpoints send the object itself."""
    return found if isinstance(found, str) else "" if found is None else orjson.dumps(found).decode()


def _finish(found: object, *, has_calls: bool) -> FinishReason:
    """Some endpoints say `stop` after tool calls."""
    reason = finish_reason_of(found)
    return "tool_calls" if has_calls and reason == "stop" else reason


@dataclass(kw_only=True)
class _Building:
    """A reply that is being streamed."""

    text: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    index_to_call: dict[int, list[ToolCallPiece]] = field(default_factory=dict)
    logprobs: list[object] = field(default_factory=list)
    finish_reason: object = None

    def built(self, index: int) -> ModelReply:
        calls = tuple(_joined(pieces) for _, pieces in sorted(self.index_to_call.items()))
        return ModelReply(
            index=index,
            text="".join(self.text),
            refusal="".join(self.refusal),
            tool_calls=calls,
            finish_reason=_finish(self.finish_reason, has_calls=bool(calls)),
            logprobs=orjson.dumps({"content": self.logprobs}).decode() if self.logprobs else "",
        )


@dataclass(kw_only=True)
class StreamedReplies:
    """Collects the replies of a streamed answer, event by event."""

    index_to_reply: dict[int, _Building] = field(default_factory=dict)

    def read(self, choice: Mapping[str, object]) -> ReplyPiece | None:
        """What this choice of an event adds; None: nothing."""
        index = _index(choice.get("index"), 0)
        reply = self.index_to_reply.setdefault(index, _Building())
        delta, logprobs = as_mapping(choice.get("delta")), choice.get("logprobs")
        piece = ReplyPiece(
            index=index,
            text=as_text(delta.get("content")),
            refusal=as_text(delta.get("refusal")),
            tool_calls=tuple(_piece(each, place) for place, each in enumerate(_objects(delta.get("tool_calls")))),
            logprobs=_logprobs_text(logprobs),
        )
        reply.text.append(piece.text)
        reply.refusal.append(piece.refusal)
        reply.logprobs += _objects(as_mapping(logprobs).get("content"))
        for call in piece.tool_calls:
            reply.index_to_call.setdefault(call.index, []).append(call)
        reply.finish_reason = choice.get("finish_reason") or reply.finish_reason
        return piece if piece.words or piece.tool_calls or piece.logprobs else None

    def replies(self) -> tuple[ModelReply, ...]:
        return tuple(reply.built(index) for index, reply in sorted(self.index_to_reply.items()))


def _piece(found: Mapping[str, object], place: int) -> ToolCallPiece:
    call = _call(found)
    return ToolCallPiece(index=_index(found.get("index"), place), id=call.id, name=call.name, arguments=call.arguments)


def _joined(pieces: Sequence[ToolCallPiece]) -> ToolCall:
    return ToolCall(
        id=next((piece.id for piece in pieces if piece.id), ""),
        name="".join(piece.name for piece in pieces),
        arguments="".join(piece.arguments for piece in pieces),
    )


def _index(found: object, place: int) -> int:
    is_index = isinstance(found, int) and not isinstance(found, bool) and 0 <= found < REPLIES_LIMIT
    return found if is_index and isinstance(found, int) else place


def _logprobs_text(found: object) -> str:
    return orjson.dumps(found).decode() if _is_object(found) else ""


def as_text(found: object) -> str:
    """Empty for what is no text."""
    return found if isinstance(found, str) else ""


def as_mapping(found: object) -> Mapping[str, object]:
    """Empty for what is no JSON object."""
    return found if isinstance(found, Mapping) else {}


def _is_object(found: object) -> bool:
    return isinstance(found, Mapping)


def _objects(found: object) -> list[Mapping[str, object]]:
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list | tuple) else []
