"""A process that plays a model: its answer hangs on the question alone, and comes after a random moment.

    python -m benchmarks.chaos_upstream --port 18000

Ends when standard input is closed.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import sys

from benchmarks.gateway_upstream import end_of_message

LONGEST_SECONDS = 0.15


class Model(asyncio.Protocol):
    """Answers each request of a connection."""

    def __init__(self) -> None:
        self.received = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport if isinstance(transport, asyncio.Transport) else None

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := end_of_message(self.received)) is not None:
            message, self.received = self.received[:end], self.received[end:]
            body = message.partition(b"\r\n\r\n")[2]
            asyncio.get_running_loop().call_later(random.uniform(0, LONGEST_SECONDS), self.answer, body)

    def answer(self, body: bytes) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        text = f"answer {hashlib.sha256(body).hexdigest()[:12]}"
        message = {"role": "assistant", "content": text}
        told = {
            "id": "chatcmpl-chaos",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": "chaos",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 40, "completion_tokens": 5, "total_tokens": 45},
        }
        sent = json.dumps(told).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(sent)
        self.transport.write(head + sent)


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Model, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(serve(parser.parse_args().port))
