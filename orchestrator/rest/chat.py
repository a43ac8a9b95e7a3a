"""OpenAI's chat completions over the router, whole or streamed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from sse_starlette import EventSourceResponse

from orchestrator.rest.errors import body_of
from orchestrator.rest.identity_of import identity_of
from orchestrator.rest.schemas import ChatRequest, options_of, text_of
from orchestrator.service import Run, Service, Started
from orchestrator.views import plain
from storage.errors import ServiceError

router = APIRouter(prefix="/v1", tags=["openai"])

PING_SECONDS = 15
CLIENT_CLOSED_REQUEST = 499  # nobody reads it: it is for the figures


@router.post("/chat/completions", response_model=None)
async def create_chat_completion(body: ChatRequest, request: Request) -> Response:
    """Answers by the candidate that the router picks; `model`: `auto`, `auto:POLICY` or a candidate's id."""
    service: Service = request.app.state.service
    text, before = text_of(body)
    options = options_of(body.model, body.antroute, body.generation(), messages=before, metadata=body.metadata)
    options["identity"] = identity_of(request)
    if body.stream:
        return await _streamed(service.stream(text, **options), body)
    run = await unless_left(request, service.run(text, **options))
    if run is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    return JSONResponse(_completion(run), headers=_headers_of(run))


async def unless_left(request: Request, work: Coroutine[Any, Any, Run]) -> Run | None:
    """The work's result, or None: the client hung up, and the work was cancelled, which no server does by itself."""
    run, gone = asyncio.create_task(work), asyncio.create_task(_hung_up(request))
    try:
        await asyncio.wait((run, gone), return_when=asyncio.FIRST_COMPLETED)
        return await run if run.done() else None
    finally:
        run.cancel()
        gone.cancel()


async def _hung_up(request: Request) -> None:
    """Returns when the client has gone; the body has been read, so that nothing else is to come."""
    message = await request.receive()
    while message["type"] != "http.disconnect":
        message = await request.receive()


async def _streamed(pieces: AsyncGenerator[Started | str | Run, None], body: ChatRequest) -> Response:
    """The first piece is awaited here, so that an early error has its status and the headers name the decision."""
    try:
        started = await anext(pieces)
    except BaseException:
        await pieces.aclose()
        raise
    if not isinstance(started, Started):
        raise TypeError(f"A stream begins with Started, not {type(started).__name__}.")
    return EventSourceResponse(
        _events(started, pieces, wants_usage=bool(body.stream_options and body.stream_options.include_usage)),
        headers={
            "x-antroute-decision-id": started.decision_id,
            "x-antroute-candidate": started.candidate_id,
            "x-antroute-run-id": started.run_id,
            "x-antroute-reserved-usd": f"{started.reserved_usd:f}",
            "x-antroute-overhead-ms": f"{started.overhead_seconds * 1000:.2f}",
        },
        ping=PING_SECONDS,
    )


async def _events(
    started: Started, pieces: AsyncGenerator[Started | str | Run, None], *, wants_usage: bool
) -> AsyncGenerator[dict[str, str], None]:
    head = {
        "id": started.decision_id,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": started.candidate_id,
    }

    def event(delta: dict[str, str], finish: str | None = None, **more: Any) -> dict[str, str]:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        return {"data": orjson.dumps({**head, "choices": choices, **more}).decode()}

    async with aclosing(pieces):
        yield event({"role": "assistant", "content": ""})
        try:
            async for piece in pieces:
                if isinstance(piece, str):
                    yield event({"content": piece})
                elif isinstance(piece, Run):
                    yield event({}, piece.finish_reason, antroute=_ours(piece))
                    if wants_usage:
                        last = {**head, "choices": [], "usage": _usage(piece), "antroute": _ours(piece)}
                        yield {"data": orjson.dumps(last).decode()}
        except ServiceError as error:  # words are out already: the error travels as an event
            yield {"data": orjson.dumps(body_of(error)).decode()}
        yield {"data": "[DONE]"}


def _completion(run: Run) -> dict[str, Any]:
    message = {"role": "assistant", "content": run.answer}
    return {
        "id": run.decision_id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": run.candidate_id,
        "choices": [{"index": 0, "message": message, "finish_reason": run.finish_reason}],
        "usage": _usage(run),
        "antroute": _ours(run),
    }


def _usage(run: Run) -> dict[str, Any]:
    usage = run.usage
    prompt = usage.input + usage.cache_read + usage.cache_write
    return {
        "prompt_tokens": prompt,
        "completion_tokens": usage.output,
        "total_tokens": prompt + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read},
    }


def _ours(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "decision_id": run.decision_id,
        "candidate": run.candidate_id,
        "cost_usd": f"{run.cost_usd:f}",
        "attempts": run.attempts,
        "latency_seconds": round(run.latency_seconds, 6),
        "overhead_seconds": round(run.overhead_seconds, 6),
        "is_degraded": run.is_degraded,
        "plan": run.plan,
        "decision_ids": list(run.decision_ids),
        "verdict": plain(run.verdict),
        "spent": plain(run.spent),
    }


def _headers_of(run: Run) -> dict[str, str]:
    return {
        "x-antroute-decision-id": run.decision_id,
        "x-antroute-candidate": run.candidate_id,
        "x-antroute-run-id": run.run_id,
        "x-antroute-cost-usd": f"{run.cost_usd:f}",
        "x-antroute-overhead-ms": f"{run.overhead_seconds * 1000:.2f}",
    }
