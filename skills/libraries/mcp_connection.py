"""A connection to one MCP server through the official library: opened when needed, opened anew after a death."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit, urlunsplit

from skills.errors import SkillError, SkillFailed, SkillUnavailable

if TYPE_CHECKING:
    from mcp import Client
    from mcp.client._transport import Transport
    from mcp_types import CallToolResult, ContentBlock, RequestParamsMeta

MAX_PAGES = 100  # of a list of tools
END_SECONDS = 10.0  # a server that is told to end is killed well before


@dataclass(frozen=True, kw_only=True)
class McpServer:
    """Where a server is: a command that is started, or a URL."""

    command: str = ""
    args: Sequence[str] = field(default=(), repr=False)  # may hold a key, as may the query of a URL
    env: Mapping[str, str] = field(default_factory=dict, repr=False)  # beside PATH, HOME and the like: nothing else
    url: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold a key

    def __post_init__(self) -> None:
        """Raises SkillError for anything but either a command or an http(s) URL."""
        if bool(self.command) == bool(self.url):
            raise SkillError("An MCP server is either a command or a URL; give one of the two.")
        parts = urlsplit(self.url)
        if self.url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None):
            raise SkillError(f"{parts.netloc.rpartition('@')[2]!r} is no server; `https://host/mcp` would be right.")

    @property
    def shown(self) -> str:
        """Without what may hold a key: it is told to models and stored with every skill."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")) or self.command


@dataclass(frozen=True, kw_only=True)
class McpTool:
    """A tool as its server tells of it."""

    name: str
    description: str
    input_schema: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class McpAnswer:
    """What a tool gave back."""

    text: str
    is_error: bool
    structured: Mapping[str, object] = field(default_factory=dict)  # what it tells beside the text


class McpConnection:
    """One session at a time, in a task of its own: the library wants to be left where it was entered."""

    def __init__(self, server: McpServer, *, timeout_seconds: float) -> None:
        self.server = server
        self.timeout_seconds = timeout_seconds  # of each request, and of the start
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._client: Client | None = None

    async def tools(self) -> list[McpTool]:
        """All tools, page by page; a server that died since is started anew, once. Raises SkillFailed."""
        client = await self._connected()
        try:
            return await self._listed(client)
        except SkillFailed:
            await self._drop(client)
            return await self._listed(await self._connected())

    async def call(
        self, name: str, arguments: Mapping[str, object], *, context: Mapping[str, object] | None = None
    ) -> McpAnswer:
        """Calls the tool once, with `context` in the request's `_meta`. Raises SkillFailed.

        Before it, the server is asked whether it is there and is started anew where it is not; a call that was under
        way when the server died is not repeated, since nobody can say what it did.
        """
        client = await self._connected()
        try:
            await self._listed(client, pages=1)
        except SkillFailed:
            await self._drop(client)
            client = await self._connected()
        async with _Told(self, f"the call of {name!r}"):
            return _answer(await client.call_tool(name, dict(arguments), meta=_meta(context)))

    async def close(self) -> None:
        """Ends the session and a server that was started; the next request opens another."""
        task, self._task, self._client = self._task, None, None
        self._stop.set()
        if task is None:
            return
        await asyncio.wait({task}, timeout=END_SECONDS)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # told already, to whoever asked when it happened

    async def _drop(self, client: Client) -> None:
        """Closes this session, unless somebody else has and opened another."""
        async with self._lock:
            if self._client is client:
                await self.close()

    async def _listed(self, client: Client, *, pages: int = MAX_PAGES) -> list[McpTool]:
        tools: list[McpTool] = []
        cursor: str | None = None
        async with _Told(self, "the list of tools"):
            for _ in range(pages):
                page = await client.list_tools(cursor=cursor, cache_mode="refresh")
                tools += [
                    McpTool(
                        name=tool.name, description=tool.description or tool.title or "", input_schema=tool.input_schema
                    )
                    for tool in page.tools
                ]
                cursor = page.next_cursor
                if cursor is None:
                    break
        return tools

    async def _connected(self) -> Client:
        async with self._lock:
            if self._client is None or self._task is None or self._task.done():
                await self.close()
                self._client = await self._opened()
            return self._client

    async def _opened(self) -> Client:
        self._stop = asyncio.Event()
        ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._serve(ready, self._stop), name="mcp")
        waited: set[asyncio.Future[Any]] = {self._task, ready}
        await asyncio.wait(waited, timeout=self.timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            return ready.result()
        task = self._task
        if task.done() and not task.cancelled():
            raise SkillUnavailable(f"{self.server.shown!r} could not be opened: {_words(task.exception())}.")
        task.cancel()
        await self.close()
        raise SkillUnavailable(f"{self.server.shown!r} did not answer in {self.timeout_seconds:g} s.")

    async def _serve(self, ready: asyncio.Future[Client], stop: asyncio.Event) -> None:
        from mcp import Client

        async with AsyncExitStack() as opened:
            transport = await self._transport(opened)
            client = await opened.enter_async_context(Client(transport, read_timeout_seconds=self.timeout_seconds))
            ready.set_result(client)
            await stop.wait()

    async def _transport(self, opened: AsyncExitStack) -> Transport:
        if self.server.url:
            import httpx2
            from mcp.client.streamable_http import streamable_http_client

            http = httpx2.AsyncClient(
                headers=dict(self.server.headers), timeout=self.timeout_seconds, trust_env=False, follow_redirects=False
            )
            await opened.enter_async_context(http)
            return streamable_http_client(self.server.url, http_client=http)
        from mcp import StdioServerParameters, stdio_client

        parameters = StdioServerParameters(
            command=self.server.command, args=list(self.server.args), env=dict(self.server.env)
        )
        errors = sys.__stderr__ or sys.stderr  # what the server complains of belongs into the operator's log
        return stdio_client(parameters, errlog=errors)


class _Told:
    """Says what failed, and of which server, in our words."""

    def __init__(self, connection: McpConnection, what: str) -> None:
        self.connection = connection
        self.what = what
        self.limit = asyncio.timeout(connection.timeout_seconds)

    async def __aenter__(self) -> None:
        await self.limit.__aenter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        from mcp import InputRequiredRoundsExceededError, MCPError
        from pydantic import ValidationError

        shown = self.connection.server.shown
        try:
            await self.limit.__aexit__(kind, error, None)
        except TimeoutError as exc:
            message = f"{shown!r}: {self.what} was not done after {self.connection.timeout_seconds:g} s."
            raise SkillFailed(message) from exc
        if isinstance(error, MCPError | ValidationError | InputRequiredRoundsExceededError | OSError | RuntimeError):
            raise SkillFailed(f"{shown!r}: {self.what} failed: {_words(error)}.") from error


def _words(error: BaseException | None) -> str:
    """The innermost of grouped errors, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return " ".join(str(error).split())[:300] or type(error).__name__


def _meta(context: Mapping[str, object] | None) -> RequestParamsMeta | None:
    return None if context is None else cast("RequestParamsMeta", {"context": dict(context)})


def _answer(result: CallToolResult) -> McpAnswer:
    import json

    parts = [_part(block) for block in result.content]
    if not parts and result.structured_content is not None:
        parts = [json.dumps(result.structured_content, ensure_ascii=False, default=str)]
    structured = result.structured_content if isinstance(result.structured_content, Mapping) else {}
    return McpAnswer(text="\n".join(parts), is_error=result.is_error, structured=structured)


def _part(block: ContentBlock) -> str:
    """Text as it is; of anything else, what it is."""
    if block.type == "text":
        return block.text
    if block.type == "image" or block.type == "audio":
        return f"({block.type}, {block.mime_type:.80})"
    if block.type == "resource":
        return getattr(block.resource, "text", "") or f"(resource {block.resource.uri})"
    return f"(resource {block.uri})"
