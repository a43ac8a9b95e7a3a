"""Which capabilities of a model a conversation takes, beyond plain words."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from storage.call_records import CallOptions
from storage.records import Message

PART_TO_NEED = {'"type":"image_url"': "vision", '"type":"input_audio"': "audio"}


def needs_of(call: CallOptions, messages: Iterable[Message]) -> tuple[str, ...]:
    """None for plain words."""
    needs = [] if call.is_plain else _needs_of_call(call)
    for message in messages:
        if not message.is_plain:
            needs += _needs_of_message(message)
    return tuple(dict.fromkeys(needs))


def texts_of(message: Message) -> tuple[str, ...]:
    """Every text of a turn, images and sounds left out: their bytes are no words."""
    if message.is_plain:
        return (message.content,)
    calls = [text for call in message.tool_calls for text in (call.id, call.name, call.arguments)]
    return (message.content, message.name, message.tool_call_id, *calls)


def _needs_of_call(call: CallOptions) -> list[str]:
    wants_json = bool(call.response_format) and orjson.loads(call.response_format).get("type") != "text"
    wanted = {"tools": bool(call.tools), "json": wants_json, "n": call.replies > 1, "logprobs": call.wants_logprobs}
    return [need for need, is_wanted in wanted.items() if is_wanted]


def _needs_of_message(message: Message) -> list[str]:
    parts = [need for mark, need in PART_TO_NEED.items() if mark in message.parts]
    return (["tools"] if message.tool_calls or message.tool_call_id else []) + parts
