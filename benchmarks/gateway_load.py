"""A process that sends requests over HTTP and times the answers: as many at once as told, or so many a second.

Reads a Load as JSON from standard input and writes what it saw as JSON to standard output.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.gateway_upstream import end_of_message

OVERHEAD = b"x-antroute-overhead-ms: "
WAIT_SECONDS = 60.0  # for the last answers


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is sent where. One of `requests` and `rate` with `seconds` says how much."""

    port: int
    bodies: list[str]  # sent in turn
    headers: dict[str, str] = field(default_factory=dict)
    path: str = "/v1/chat/completions"
    connections: int = 32
    requests: int = 0  # in all, each connection sending its next when the last was answered
    rate: float = 0.0  # requests a second, whatever comes back
    seconds: float = 0.0

    def messages(self) -> list[bytes]:
        """Whole HTTP requests."""
        head = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        messages = []
        for body in self.bodies:
            content = body.encode()
            lines = f"POST {self.path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\ncontent-type: application/json\r\n"
            messages.append(f"{lines}{head}content-length: {len(content)}\r\n\r\n".encode() + content)
        return messages


@dataclass
class Seen:
    """Seconds of each answer, how they ended, and what of it the gateway says was its own."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    overhead_ms: list[float] = field(default_factory=list)
    broken: int = 0  # connections that ended before the answer

    def add(self, head: bytes, seconds: float) -> None:
        self.seconds.append(seconds)
        self.statuses[head[9:12].decode()] += 1
        place = head.find(OVERHEAD)
        if place >= 0:
            self.overhead_ms.append(float(head[place + len(OVERHEAD) :].split(b"\r\n", 1)[0]))

    def summary(self, seconds: float) -> dict[str, Any]:
        return {
            "answers": len(self.seconds),
            "statuses": dict(self.statuses),
            "broken": self.broken,
            "seconds": seconds,
            "rps": len(self.seconds) / seconds,
            "ms": percentiles([1000 * each for each in self.seconds]),
            "overhead_header_ms": percentiles(self.overhead_ms),
        }


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        self.received = b""
        self.answer: asyncio.Future[bytes] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport if isinstance(transport, asyncio.Transport) else None

    def data_received(self, data: bytes) -> None:
        self.received += data
        end = end_of_message(self.received)
        if end is not None and self.answer is not None and not self.answer.done():
            message, self.received = self.received[:end], self.received[end:]
            self.answer.set_result(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(ConnectionError(f"the server hung up: {exc}"))

    async def send(self, message: bytes) -> bytes:
        if self.transport is None:
            raise ConnectionError("not connected")
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(message)
        return await self.answer


def percentiles(values: list[float]) -> dict[str, float]:
    """Empty where there is nothing."""
    if not values:
        return {}
    ordered = sorted(values)
    at = {name: ordered[min(int(share * len(ordered)), len(ordered) - 1)] for name, share in SHARES.items()}
    return {**at, "mean": sum(ordered) / len(ordered), "max": ordered[-1]}


SHARES: Mapping[str, float] = {"p50": 0.50, "p90": 0.90, "p99": 0.99}


async def connected(port: int) -> Connection:
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


async def closed_loop(load: Load) -> dict[str, Any]:
    """Each connection sends its next request when the last was answered."""
    messages, seen, sent = load.messages(), Seen(), 0

    async def work(connection: Connection) -> None:
        nonlocal sent
        while sent < load.requests:
            message, sent = messages[sent % len(messages)], sent + 1
            began = time.perf_counter()
            try:
                head = await connection.send(message)
            except ConnectionError:
                seen.broken += 1
                connection = await connected(load.port)
                continue
            seen.add(head, time.perf_counter() - began)

    connections = [await connected(load.port) for _ in range(load.connections)]
    began = time.perf_counter()
    await asyncio.gather(*map(work, connections))
    return seen.summary(time.perf_counter() - began)


async def fixed_rate(load: Load) -> dict[str, Any]:
    """Sends by the clock; an answer's time counts from when its request was due."""
    messages, seen = load.messages(), Seen()
    idle: list[Connection] = []
    under_way: set[asyncio.Task[None]] = set()
    began = time.perf_counter()

    async def one(message: bytes, due: float) -> None:
        connection = None
        while idle and connection is None:  # a server closes what was idle for some seconds
            connection = last if (last := idle.pop()).transport else None
        try:
            connection = connection or await connected(load.port)
            head = await connection.send(message)
        except ConnectionError:
            seen.broken += 1
            return
        seen.add(head, time.perf_counter() - due)
        idle.append(connection)

    for number in range(round(load.rate * load.seconds)):
        due = began + number / load.rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(one(messages[number % len(messages)], due))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    async with asyncio.timeout(WAIT_SECONDS):
        await asyncio.gather(*under_way)
    return seen.summary(time.perf_counter() - began)


if __name__ == "__main__":
    wanted = Load(**json.load(sys.stdin))
    json.dump(asyncio.run(fixed_rate(wanted) if wanted.rate else closed_loop(wanted)), sys.stdout)
