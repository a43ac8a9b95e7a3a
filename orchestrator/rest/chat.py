"""OpenAI's chat completions over the router, whole or streamed."""

from __future__ import annotations

import time
from contextlib import aclosing
from functools import partial
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from orchestrator.rest.chat_schemas import ChatRequest, Conversation, conversation_of
from orchestrator.rest.chat_shapes import choices_of, chunk_choice, ends_of, headers_of, ours_of, usage_of
from orchestrator.rest.errors import body_of
from orchestrator.rest.identity_of import identity_of
from orchestrator.rest.schemas import options_of
from orchestrator.rest.streamed import CLIENT_CLOSED_REQUEST, Events, Pieces, streamed, unless_left
from orchestrator.run_options import RunOptions
from orchestrator.service import Run, Service, Started
from storage.call_records import PLAIN_CALL, CallOptions
from storage.errors import ServiceError

router = APIRouter(prefix="/v1", tags=["openai"])


@router.post("/chat/completions", response_model=None)
async def create_chat_completion(body: ChatRequest, request: Request) -> Response:
    """Answers by the candidate that the router picks; `model`: `auto`, `auto:POLICY` or a candidate's id."""
    service: Service = request.app.state.service
    turns = [turn.message(f"messages.{place}") for place, turn in enumerate(body.messages)]
    conversation, call = conversation_of(turns), body.call()
    options = options_of(
        body.model, body.antroute, body.generation(), messages=conversation.before, metadata=body.metadata
    )
    options["identity"] = identity_of(request)
    add_conversation(options, conversation, call)
    if body.stream:
        wants_usage = bool(body.stream_options and body.stream_options.include_usage)
        events = partial(_events, replies=call.replies, wants_usage=wants_usage)
        return await streamed(service.stream(conversation.text, **options), events)
    run = await unless_left(request, service.run(conversation.text, **options))
    if run is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    return JSONResponse(_completion(run), headers=headers_of(run))


def add_conversation(options: RunOptions, conversation: Conversation, call: CallOptions) -> None:
    """What is beyond plain words."""
    if conversation.asked is not None:
        options["asked"] = conversation.asked
    if conversation.later:
        options["later"] = conversation.later
    if call is not PLAIN_CALL:
        options["call"] = call


async def _events(started: Started, pieces: Pieces, *, replies: int, wants_usage: bool) -> Events:
    head = {
        "id": started.decision_id,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": started.candidate_id,
    }

    def event(choice: dict[str, Any], **more: Any) -> dict[str, str]:
        return {"data": orjson.dumps({**head, "choices": [choice], **more}).decode()}

    async with aclosing(pieces):
        for index in range(replies):
            yield event({"index": index, "delta": {"role": "assistant", "content": ""}, "finish_reason": None})
        try:
            async for piece in pieces:
                if isinstance(piece, str):
                    yield event({"index": 0, "delta": {"content": piece}, "finish_reason": None})
                elif isinstance(piece, Run):
                    for choice in ends_of(piece):
                        yield event(choice, antroute=ours_of(piece))
                    if wants_usage:
                        last = {**head, "choices": [], "usage": usage_of(piece), "antroute": ours_of(piece)}
                        yield {"data": orjson.dumps(last).decode()}
                elif not isinstance(piece, Started):
                    yield event(chunk_choice(piece))
        except ServiceError as error:  # words are out already: the error travels as an event
            yield {"data": orjson.dumps(body_of(error)).decode()}
        yield {"data": "[DONE]"}


def _completion(run: Run) -> dict[str, Any]:
    return {
        "id": run.decision_id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": run.candidate_id,
        "choices": choices_of(run),
        "usage": usage_of(run),
        "antroute": ours_of(run),
    }
