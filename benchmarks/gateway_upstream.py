"""A process that plays an OpenAI-compatible endpoint: one fixed answer, after a delay, as cheaply as can be.

    python -m benchmarks.gateway_upstream --delay-ms 50

Writes its port to standard output; ends when standard input is closed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

BODY = json.dumps(
    {
        "id": "chatcmpl-fixed",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "fixed",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "It is forty-two."}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 60, "completion_tokens": 6, "total_tokens": 66},
    }
).encode()
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
LENGTH = b"content-length:"


class Endpoint(asyncio.Protocol):
    """Answers each request of a connection once its body is there."""

    def __init__(self, delay_seconds: float) -> None:
        self.delay_seconds = delay_seconds
        self.received = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport if isinstance(transport, asyncio.Transport) else None

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := end_of_message(self.received)) is not None:
            self.received = self.received[end:]
            if self.delay_seconds:
                asyncio.get_running_loop().call_later(self.delay_seconds, self.answer)
            else:
                self.answer()

    def answer(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(ANSWER)


def end_of_message(received: bytes) -> int | None:
    """Where the first message ends; None: it is not all there yet. A body has its length in the headers."""
    head = received.find(b"\r\n\r\n")
    if head < 0:
        return None
    place = received[:head].lower().find(LENGTH)
    length = 0 if place < 0 else int(received[place + len(LENGTH) : head].split(b"\r\n", 1)[0])
    end = head + 4 + length
    return end if len(received) >= end else None


async def serve(delay_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Endpoint(delay_seconds), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    asyncio.run(serve(parser.parse_args().delay_ms / 1000))
