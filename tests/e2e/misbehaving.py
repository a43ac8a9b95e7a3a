"""An endpoint in a thread of its own that misbehaves in the way its path says: `/FAULT/v1/chat/completions`."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Writer = asyncio.StreamWriter
Say = Callable[["Asked"], Awaitable[None]]

USAGE = {"prompt_tokens": 9, "completion_tokens": 2}
DRIP_SECONDS = 0.15
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset


@dataclass(kw_only=True)
class Asked:
    """One request, and where its answer goes."""

    is_streamed: bool
    prompt: str
    writer: Writer
    stopping: asyncio.Event

    async def head(self, status: int = 200, **headers: str) -> None:
        kind = "text/event-stream" if self.is_streamed else "application/json"
        given = {"Content-Type": kind, "Transfer-Encoding": "chunked", "Connection": "close"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in given.items()), "", ""]
        self.writer.write("\r\n".join(lines).encode())
        await self.writer.drain()

    async def piece(self, body: bytes) -> None:
        self.writer.write(f"{len(body):x}\r\n".encode() + body + b"\r\n")
        await self.writer.drain()

    async def end(self) -> None:
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    async def words(self, *words: str) -> None:
        """As far as they come: of a whole answer, or of a streamed one."""
        for word in words:
            await self.piece(event({"choices": [{"delta": {"content": word}}]}) if self.is_streamed else word.encode())

    async def whole(self, text: str = "Paris", *, usage: object = USAGE) -> None:
        if self.is_streamed:
            await self.words(text)
            await self.piece(event({"choices": [{"delta": {}, "finish_reason": "stop"}]}))
            await self.piece(event({"choices": [], "usage": usage}))
            await self.piece(b"data: [DONE]\n\n")
        else:
            choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            await self.piece(json.dumps({"choices": [choice], "usage": usage}).encode())
        await self.end()

    async def body(self, found: object) -> None:
        await self.piece(event(found) if self.is_streamed else json.dumps(found).encode())
        await self.end()

    def reset(self) -> None:
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.writer.transport.abort()


def event(body: object) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


async def good(asked: Asked) -> None:
    await asked.head()
    await asked.whole()


async def too_many(asked: Asked) -> None:
    await asked.head(429, Retry_After="30")
    await asked.piece(b'{"error": {"message": "slow down"}}')
    await asked.end()


async def broken(asked: Asked) -> None:
    await asked.head(500)
    await asked.piece(b"boom")
    await asked.end()


async def hang(asked: Asked) -> None:
    await asked.stopping.wait()


async def hang_after_head(asked: Asked) -> None:
    await asked.head()
    await asked.stopping.wait()


async def truncated(asked: Asked) -> None:
    await asked.head()
    await asked.words("Par", "is")


async def no_json(asked: Asked) -> None:
    await asked.head()
    await asked.piece(b"data: <html>oops\n\n" if asked.is_streamed else b"<html>oops")
    await asked.end()


async def drip(asked: Asked) -> None:
    """A word now and then, for ever."""
    await asked.head()
    while not asked.stopping.is_set():
        await asked.words("drop ")
        await asyncio.sleep(DRIP_SECONDS)


async def reset_after(asked: Asked) -> None:
    asked.reset()


async def reset_in_answer(asked: Asked) -> None:
    await asked.head()
    await asked.words("Par")
    await asyncio.sleep(0.05)  # so that the word is read before the reset throws it away
    asked.reset()


async def wrong_type(asked: Asked) -> None:
    await asked.head(Content_Type="text/html")
    await asked.whole()


async def huge(asked: Asked) -> None:
    await asked.head()
    for _ in range(80):
        await asked.piece(b"x" * 65536)
    await asked.end()


async def error_object(asked: Asked) -> None:
    await asked.head()
    await asked.body({"error": {"message": "the pool is empty", "code": 502}})


async def no_choices(asked: Asked) -> None:
    await asked.head()
    await asked.body({"choices": [], "usage": USAGE})


async def no_usage(asked: Asked) -> None:
    await asked.head()
    await asked.whole(usage=None)


async def absurd_usage(asked: Asked) -> None:
    await asked.head()
    await asked.whole(usage={"prompt_tokens": -5, "completion_tokens": 10**30})


async def redirect(asked: Asked) -> None:
    await asked.head(302, Location="http://127.0.0.1:9/v1")
    await asked.end()


FAULTS: dict[str, Say] = {
    each.__name__: each
    for each in (
        good, too_many, broken, hang, hang_after_head, truncated, no_json, drip, reset_after, reset_in_answer,
        wrong_type, huge, error_object, no_choices, no_usage, absurd_usage, redirect,
    )
}  # fmt: skip


@dataclass
class Misbehaving:
    """What was asked of it, by fault; changed by its own thread."""

    port: int = 0
    asked: dict[str, list[str]] = field(default_factory=dict)  # fault to prompts

    def url(self, fault: str) -> str:
        return f"http://127.0.0.1:{self.port}/{fault}/v1"


@contextmanager
def misbehaving() -> Iterator[Misbehaving]:
    upstream, has_begun = Misbehaving(), threading.Event()
    loop = asyncio.new_event_loop()
    stop: list[asyncio.Event] = []
    thread = threading.Thread(target=loop.run_until_complete, args=(_serve(upstream, has_begun, stop),))
    thread.start()
    try:
        assert has_begun.wait(10), "the endpoint did not begin"
        yield upstream
    finally:
        loop.call_soon_threadsafe(stop[0].set)
        thread.join(10)
        loop.close()


async def _serve(upstream: Misbehaving, has_begun: threading.Event, stop: list[asyncio.Event]) -> None:
    stopping, tasks = asyncio.Event(), set[asyncio.Task[None]]()
    stop.append(stopping)

    def accept(reader: asyncio.StreamReader, writer: Writer) -> None:
        task = asyncio.create_task(_answer(upstream, reader, writer, stopping))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    has_begun.set()
    await stopping.wait()
    server.close()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _answer(upstream: Misbehaving, reader: asyncio.StreamReader, writer: Writer, stopping: asyncio.Event) -> None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fault = head.split("/", 2)[1]
        length = next(
            int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length")
        )
        body = json.loads(await reader.readexactly(length))
        prompt = body["messages"][-1]["content"]
        upstream.asked.setdefault(fault, []).append(prompt)
        await FAULTS[fault](
            Asked(is_streamed=bool(body.get("stream")), prompt=prompt, writer=writer, stopping=stopping)
        )
    except (ConnectionError, asyncio.IncompleteReadError):
        return  # the client went away, which is its right
    finally:
        writer.close()
