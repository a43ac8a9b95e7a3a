"""Runs whose answer is sent as it comes, and callers who hang up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import TypeVar

from fastapi import Request
from fastapi.responses import Response
from sse_starlette import EventSourceResponse

from orchestrator.run import Started, Streamed

PING_SECONDS = 15
CLIENT_CLOSED_REQUEST = 499  # nobody reads it: it is for the figures

Pieces = AsyncGenerator[Streamed, None]
Events = AsyncGenerator[dict[str, str], None]
Result = TypeVar("Result")


async def streamed(pieces: Pieces, events: Callable[[Started, Pieces], Events]) -> Response:
    """The first piece is awaited here, so that an early error has its status and the headers name the decision."""
    try:
        started = await anext(pieces)
    except BaseException:
        await pieces.aclose()
        raise
    if not isinstance(started, Started):
        raise TypeError(f"A stream begins with Started, not {type(started).__name__}.")
    return EventSourceResponse(
        events(started, pieces),
        headers={
            "x-antroute-decision-id": started.decision_id,
            "x-antroute-candidate": started.candidate_id,
            "x-antroute-run-id": started.run_id,
            "x-antroute-reserved-usd": f"{started.reserved_usd:f}",
            "x-antroute-overhead-ms": f"{started.overhead_seconds * 1000:.2f}",
        },
        ping=PING_SECONDS,
    )


async def unless_left(request: Request, work: Coroutine[object, object, Result]) -> Result | None:
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
