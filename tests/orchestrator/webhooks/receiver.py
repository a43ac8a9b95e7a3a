"""A real HTTP server on loopback that plays whoever receives webhooks, with the faults that one can have."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Said:
    """One answer; `is_hanging` sends none, `endless` sends a body without end."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    is_hanging: bool = False
    is_endless: bool = False


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Answers with `says` in turn, the last one again and again; keeps what it heard."""

    def __init__(self, *says: Said, tls: ssl.SSLContext | None = None) -> None:
        self.says: Sequence[Said] = says or (Said(),)
        self.heard: list[Heard] = []
        self.names: list[str | None] = []  # that TLS clients asked for
        self.port = 0
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        if self._tls is not None:
            self._tls.sni_callback = lambda _, name, __: self.names.append(name)
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def url(self, host: str = "hooks.example.com", path: str = "/in", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client has left
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        said = self.says[min(len(self.heard), len(self.says) - 1)]
        self.heard.append(Heard(path=head[0].split()[1], headers=headers, body=body))
        if said.is_hanging:
            await asyncio.Event().wait()
        lines = [f"HTTP/1.1 {said.status} Said", *(f"{name}: {value}" for name, value in said.headers.items())]
        length = "" if said.is_endless else "content-length: 0\r\n"
        writer.write(("\r\n".join(lines) + f"\r\n{length}\r\n").encode())
        await writer.drain()
        while said.is_endless:
            writer.write(b"x" * 65_536)
            await writer.drain()
