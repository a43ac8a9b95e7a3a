"""OpenAI's Responses API over the router, without its storage: whole, or as its sequence of events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from orchestrator.rest.chat import add_conversation
from orchestrator.rest.chat_schemas import conversation_of
from orchestrator.rest.chat_shapes import headers_of, ours_of
from orchestrator.rest.errors import body_of
from orchestrator.rest.identity_of import identity_of
from orchestrator.rest.responses_schemas import ResponseRequest
from orchestrator.rest.schemas import options_of
from orchestrator.rest.streamed import CLIENT_CLOSED_REQUEST, Events, Pieces, streamed, unless_left
from orchestrator.service import Run, Service, Started
from storage.call_records import ModelReply, ReplyPiece, ToolCall, ToolCallPiece
from storage.errors import ServiceError

router = APIRouter(prefix="/v1", tags=["openai"])
Json = dict[str, Any]


@router.post("/responses", response_model=None)
async def create_response(body: ResponseRequest, request: Request) -> Response:
    """Answers by the candidate that the router picks; nothing is kept for a later call but the trace."""
    body.require_stateless()
    service: Service = request.app.state.service
    conversation, call = conversation_of(body.turns(), field="input"), body.call()
    options = options_of(
        body.model, body.antroute, body.generation(), messages=conversation.before, metadata=body.metadata
    )
    options["identity"] = identity_of(request)
    add_conversation(options, conversation, call)
    if body.stream:
        return await streamed(service.stream(conversation.text, **options), partial(_events, body=body))
    run = await unless_left(request, service.run(conversation.text, **options))
    if run is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    shape = _shape(body, id=run.decision_id, model=run.candidate_id)
    return JSONResponse({**shape, **_ended(run, _output(run))}, headers=headers_of(run))


def _shape(body: ResponseRequest, *, id: str, model: str) -> Json:
    """What every form of the response has, before anything is known of its end."""
    sent = body.model_dump(exclude_none=True, by_alias=True)
    return {
        "id": f"resp_{id}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "metadata": body.metadata or {},
        "model": model,
        "output": [],
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": None,
        "store": False,
        "temperature": body.temperature,
        "text": sent.get("text", {"format": {"type": "text"}}),
        "tool_choice": sent.get("tool_choice", "auto"),
        "tools": sent.get("tools", []),
        "top_p": body.top_p,
        "truncation": "disabled",
        "usage": None,
    }


def _ended(run: Run, output: list[Json]) -> Json:
    is_cut = run.finish_reason in ("length", "content_filter")
    reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(run.finish_reason)
    usage = run.usage
    prompt = usage.input + usage.cache_read + usage.cache_write
    return {
        "status": "incomplete" if is_cut else "completed",
        "incomplete_details": {"reason": reason} if is_cut else None,
        "output": output,
        "usage": {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": usage.cache_read},
            "output_tokens": usage.output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt + usage.output,
        },
        "antroute": ours_of(run),
    }


def _output(run: Run) -> list[Json]:
    """The items of a whole answer: its words, then its tool calls."""
    reply = run.replies[0] if run.replies else ModelReply(text=run.answer)
    words = [_message(run.decision_id, reply.text, reply.refusal)] if reply.text or not reply.tool_calls else []
    return [*words, *(_call_item(run.decision_id, place, call) for place, call in enumerate(reply.tool_calls))]


def _message(id: str, text: str, refusal: str = "", *, status: str = "completed") -> Json:
    content = [_refusal_part(refusal)] if refusal else [_text_part(text)]
    return {
        "id": f"msg_{id}",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": content if status == "completed" else [],
    }


def _text_part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _refusal_part(text: str) -> Json:
    return {"type": "refusal", "refusal": text}


def _call_item(id: str, place: int, call: ToolCall, *, status: str = "completed") -> Json:
    return {
        "id": f"fc_{id}_{place}",
        "type": "function_call",
        "status": status,
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments,
    }


@dataclass
class _Sequence:
    """The events of one response, numbered; items are opened when their first piece comes."""

    id: str
    number: int = -1
    items: list[str] = field(default_factory=list)  # open or closed, by kind: `text`, `call/0`, …
    text: str = ""
    refusal: str = ""
    calls: dict[int, ToolCall] = field(default_factory=dict)

    def event(self, kind: str, **more: Any) -> dict[str, str]:
        self.number += 1
        data = {"type": kind, "sequence_number": self.number, **more}
        return {"event": kind, "data": orjson.dumps(data).decode()}

    def words(self, text: str) -> Iterator[dict[str, str]]:
        yield from self._open_message(_text_part(""))
        self.text += text
        yield self.event("response.output_text.delta", **self._place("text"), delta=text, logprobs=[])

    def refused(self, text: str) -> Iterator[dict[str, str]]:
        yield from self._open_message(_refusal_part(""))
        self.refusal += text
        yield self.event("response.refusal.delta", **self._place("text"), delta=text)

    def call(self, piece: ToolCallPiece) -> Iterator[dict[str, str]]:
        key, known = f"call/{piece.index}", self.calls.get(piece.index)
        if known is None:
            self.items.append(key)
            known = ToolCall(id=piece.id, name=piece.name, arguments="")
            item = _call_item(self.id, piece.index, known, status="in_progress")
            yield self.event("response.output_item.added", output_index=len(self.items) - 1, item=item)
        self.calls[piece.index] = ToolCall(id=known.id, name=known.name, arguments=known.arguments + piece.arguments)
        if piece.arguments:
            place = {"item_id": f"fc_{self.id}_{piece.index}", "output_index": self.items.index(key)}
            yield self.event("response.function_call_arguments.delta", **place, delta=piece.arguments)

    def piece(self, piece: ReplyPiece) -> Iterator[dict[str, str]]:
        if piece.text:
            yield from self.words(piece.text)
        if piece.refusal:
            yield from self.refused(piece.refusal)
        for call in piece.tool_calls:
            yield from self.call(call)

    def closed(self) -> Iterator[dict[str, str]]:
        """The events that end each item."""
        for output_index, (key, item) in enumerate(zip(self.items, self.output(), strict=True)):
            if key == "text" and self.refusal:
                yield self.event("response.refusal.done", **self._place(key), refusal=self.refusal)
                yield self.event("response.content_part.done", **self._place(key), part=item["content"][0])
            elif key == "text":
                yield self.event("response.output_text.done", **self._place(key), text=self.text, logprobs=[])
                yield self.event("response.content_part.done", **self._place(key), part=item["content"][0])
            else:
                place = {"item_id": item["id"], "output_index": output_index, "name": item["name"]}
                yield self.event("response.function_call_arguments.done", **place, arguments=item["arguments"])
            yield self.event("response.output_item.done", output_index=output_index, item=item)

    def output(self) -> list[Json]:
        return [
            _message(self.id, self.text, self.refusal)
            if key == "text"
            else _call_item(self.id, int(key.partition("/")[2]), self.calls[int(key.partition("/")[2])])
            for key in self.items
        ]

    def _open_message(self, part: Json) -> Iterator[dict[str, str]]:
        if "text" in self.items:
            return
        self.items.append("text")
        item = _message(self.id, "", status="in_progress")
        yield self.event("response.output_item.added", output_index=len(self.items) - 1, item=item)
        yield self.event("response.content_part.added", **self._place("text"), part=part)

    def _place(self, key: str) -> Json:
        return {"item_id": f"msg_{self.id}", "output_index": self.items.index(key), "content_index": 0}


async def _events(started: Started, pieces: Pieces, *, body: ResponseRequest) -> Events:
    shape = _shape(body, id=started.decision_id, model=started.candidate_id)
    sequence = _Sequence(started.decision_id)
    async with aclosing(pieces):
        yield sequence.event("response.created", response=shape)
        yield sequence.event("response.in_progress", response=shape)
        try:
            async for piece in pieces:
                if isinstance(piece, Run):
                    for event in sequence.closed():
                        yield event
                    done = {**shape, **_ended(piece, sequence.output())}
                    kind = "response.incomplete" if done["status"] == "incomplete" else "response.completed"
                    yield sequence.event(kind, response=done)
                elif not isinstance(piece, Started):
                    for event in sequence.words(piece) if isinstance(piece, str) else sequence.piece(piece):
                        yield event
        except ServiceError as error:  # words are out already: the error travels as an event
            told = body_of(error)["error"]
            failed = {**shape, "status": "failed", "error": {"code": "server_error", "message": told["message"]}}
            yield sequence.event("response.failed", response={**failed, "antroute": told})
