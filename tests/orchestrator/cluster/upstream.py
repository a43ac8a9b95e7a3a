"""A model's endpoint in the test's own event loop: answers at once, or holds a question back until it is let go."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

HOLD = "hold"  # in a question that waits for `gate`
WRONG = "wrong"  # in a question that the small model cannot answer


@dataclass(kw_only=True)
class Upstream:
    """`asked`: every question that came, in order."""

    asked: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    port: int = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def times(self, question: str, count: int) -> None:
        """Returns when the question has come so often."""
        async with self.news:
            await self.news.wait_for(lambda: self.asked.count(question) >= count)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """All the requests of one connection."""
        try:
            while body := await _body(reader):
                question = body["messages"][-1]["content"]
                async with self.news:
                    self.asked.append(question)
                    self.news.notify_all()
                if HOLD in question:
                    await self.gate.wait()
                is_wrong = WRONG in question and body["model"] == "small"
                choice = {"message": {"role": "assistant", "content": f"re: {question}"}, "finish_reason": "stop"}
                told = json.dumps({"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}).encode()
                status = "400 Bad Request" if is_wrong else "200 OK"
                head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(told)}\r\n\r\n"
                writer.write(head.encode() + told)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # who asked was killed
        finally:
            writer.close()


async def _body(reader: asyncio.StreamReader) -> dict[str, object] | None:
    head = b""
    while (line := await reader.readline()) not in (b"\r\n", b""):
        head += line
    if not head:
        return None
    [length] = [line.split(b":")[1] for line in head.lower().splitlines() if line.startswith(b"content-length:")]
    return json.loads(await reader.readexactly(int(length)))


@asynccontextmanager
async def upstream() -> AsyncIterator[Upstream]:
    """Listening on loopback; what is held is let go at the end."""
    held = Upstream()
    server = await asyncio.start_server(held.answer, "127.0.0.1", 0)
    held.port = server.sockets[0].getsockname()[1]
    try:
        yield held
    finally:
        held.gate.set()
        server.close()
