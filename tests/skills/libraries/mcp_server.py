"""A real MCP server for the tests, on stdio or over HTTP: `python mcp_server.py [PORT]`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Annotated

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, Field

server = MCPServer("tests")


class Part(BaseModel):
    """Refers to itself."""

    text: str
    parts: list[Part] = []


@server.tool()
def add(a: Annotated[int, Field(description="The first number")], b: int = 2) -> str:
    """Add two numbers.

    Whole ones.
    """
    return str(a + b)


@server.tool()
def nested(part: Part) -> str:
    """Count parts."""
    return str(len(part.parts))


@server.tool()
def environment(name: str) -> str:
    """Tell a variable of the environment."""
    return os.environ.get(name, "(not there)")


@server.tool()
def fail() -> str:
    """Break."""
    raise ValueError("it broke")


@server.tool()
def long() -> str:
    """Say much."""
    return "x" * 100_000


@server.tool()
async def hang() -> str:
    """Never answer."""
    await asyncio.Event().wait()
    return ""


@server.tool()
def process() -> str:
    """Tell the process's number."""
    return str(os.getpid())


@server.tool()
def die(file: str) -> str:
    """End the process, leaving a mark in a file."""
    with open(file, "a") as marks:
        marks.write("died\n")
    os._exit(3)


@server.tool()
def context(ctx: Context) -> str:
    """Tell on whose behalf it is called."""
    meta = ctx.request_context.meta
    return json.dumps(dict(meta or {}).get("context"), sort_keys=True)


@server.tool()
def busy(retryable: bool, retry_after: float, hint: str) -> CallToolResult:
    """Report an error in SERF's fields."""
    told = {"code": "BUSY", "category": "transient", "retryable": retryable, "retry_after": retry_after, "hint": hint}
    return CallToolResult(content=[TextContent(type="text", text="busy")], structured_content=told, is_error=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        server.run("stdio")
