"""What counts as an answer, and how it is kept, where a model may give more than one text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import orjson

from agents.errors import AgentError
from orchestrator.budget import Meter
from orchestrator.texts import storable
from storage.call_records import ModelReply


def answer_in(text: str, meter: Meter, *, candidate_id: str) -> str:
    """The first reply's words, or its tool calls as JSON. Raises AgentError where there is nothing.

    What a provider's filter held back is an answer, if an empty one: nobody else is asked to get around it.
    """
    first = meter.replies[0] if meter.replies else None
    if first is not None and first.tool_calls:
        return recorded("", (first,))
    if text.strip():
        return storable(text)
    if meter.finish_reason == "content_filter" or not all(reply.is_empty for reply in meter.replies):
        return "" if first is None else storable(first.refusal)
    raise AgentError(f"{candidate_id!r} gave an empty answer.")


def recorded(answer: str, replies: Sequence[ModelReply]) -> str:
    """What the payload of the answer holds: its text, or JSON where that is not all."""
    if not replies or (len(replies) == 1 and not replies[0].tool_calls):
        return answer
    messages = [_message(reply) for reply in replies]
    return orjson.dumps(messages[0] if len(messages) == 1 else messages).decode()


def _message(reply: ModelReply) -> dict[str, object]:
    calls = [asdict(call) for call in reply.tool_calls]
    return {"content": reply.text, **({"tool_calls": calls} if calls else {})}


def storable_reply(reply: ModelReply) -> ModelReply:
    """With every text such that a database and JSON can hold it."""
    calls = tuple(
        replace(call, id=storable(call.id), name=storable(call.name), arguments=storable(call.arguments))
        for call in reply.tool_calls
    )
    return replace(reply, text=storable(reply.text), refusal=storable(reply.refusal), tool_calls=calls)
