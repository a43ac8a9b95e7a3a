"""A real HTTP server on loopback that plays a model's endpoint, with every fault that one can have."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from agents.llm import CompletionRequest
from storage.records import Generation, Message

REQUEST = CompletionRequest(messages=(Message(role="user", content="Hello"),), generation=Generation(seed=7))
USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What is sent, piece by piece; `is_dropped` closes the connection without the end of the body.

    With status 0 there is not even a status line.
    """

    pieces: Sequence[bytes] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    is_dropped: bool = False
    is_hanging: bool = False  # after the last piece


def plain(text: str = "Hi there", *, usage: object = USAGE, **more: object) -> Reply:
    """An answer that is not streamed."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}, **more}
    body = {"id": "answer-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return Reply(pieces=[json.dumps(body | {"usage": usage}).encode()], headers={"Content-Type": "application/json"})


def delta(text: str | None, *, finish_reason: str | None = None, **more: object) -> bytes:
    """One event of a streamed answer."""
    choice = {"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": finish_reason, **more}
    body = {"id": "answer-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def usage_event(usage: object = USAGE) -> bytes:
    body = {"id": "answer-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}
    return b"data: " + json.dumps(body | {"usage": usage}).encode() + b"\n\n"


def streamed(*events: bytes, **faults: bool) -> Reply:
    return Reply(pieces=events, headers={"Content-Type": "text/event-stream"}, **faults)


WHOLE_STREAM = (delta("Hi"), delta(" there"), delta(None, finish_reason="stop"), usage_event(), b"data: [DONE]\n\n")


class FakeUpstream:
    """Answers with `replies` in turn, the last one again and again; keeps what it was asked."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.bodies: list[Mapping[str, object]] = []
        self.headers: list[Mapping[str, str]] = []
        self.address = ""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._read(reader)
            reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
            await self._write(writer, reply)
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client went away, which is its right
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        self.headers.append(headers)
        self.bodies.append(json.loads(await reader.readexactly(int(headers["content-length"]))))

    async def _write(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
        headers = {"Transfer-Encoding": "chunked", "Connection": "close", **reply.headers}
        if reply.status == 0:
            await (asyncio.Event().wait() if reply.is_hanging else writer.drain())
            return
        lines = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        writer.write("\r\n".join(lines).encode())
        for piece in reply.pieces:
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
        if reply.is_hanging:
            await asyncio.Event().wait()
        if not reply.is_dropped:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
