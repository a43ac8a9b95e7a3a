"""A stream that lasts: its listener's key is looked at now and then, and it is told why it ends too soon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

import orjson

from orchestrator.overload import stopping
from orchestrator.rest.errors import body_of
from storage.errors import ServiceError

CHECK_SECONDS = 3.0  # between two looks at the key; what a look remembers may be some seconds old, too

Event = dict[str, str]  # as it is sent


async def followed(
    events: AsyncGenerator[Event, None],
    *,
    admitted: Callable[[], Awaitable[object]],
    is_stopping: Callable[[], Awaitable[object]],
    check_seconds: float | None = None,
) -> AsyncGenerator[Event, None]:
    """The events; then, where they are cut short, an event `error` whose data is the body of an error's answer.

    `admitted` raises once the listener may listen no more; `is_stopping` returns when the server shuts down.
    """
    seconds = CHECK_SECONDS if check_seconds is None else check_seconds
    clock, stop = asyncio.get_running_loop().time, asyncio.ensure_future(_done(is_stopping))
    coming: asyncio.Task[Event | None] | None = None
    checked_at = clock()
    try:
        while True:
            coming = coming or asyncio.ensure_future(_next(events))
            await asyncio.wait((coming, stop), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if clock() - checked_at >= seconds:
                await admitted()
                checked_at = clock()
            if coming.done():
                event, coming = coming.result(), None
                if event is None:
                    return
                yield event
            elif stop.done():
                raise stopping()
    except ServiceError as error:
        yield {"event": "error", "data": orjson.dumps(body_of(error)).decode()}
    finally:
        left = [task for task in (coming, stop) if task is not None]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _next(events: AsyncGenerator[Event, None]) -> Event | None:
    return await anext(events, None)


async def _done(is_stopping: Callable[[], Awaitable[object]]) -> None:
    await is_stopping()
