"""MCP servers: a real one is started, listed, called, lost and found again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import uvicorn
from starlette.types import Receive, Scope, Send

from skills.call_context import CallContext, calling
from skills.errors import SkillError, SkillFailed, SkillNotFound, SkillUnavailable, ToolError
from skills.libraries.mcp import McpLibrary
from skills.libraries.mcp_connection import McpServer
from skills.results import RESULT_CHARACTERS
from tests.skills.libraries.mcp_server import server as http_server

SERVER = Path(__file__).with_name("mcp_server.py")
START_SECONDS = 30.0  # a busy machine takes its time to import the library


def library(*, tools: tuple[str, ...] = (), timeout_seconds: float = START_SECONDS) -> McpLibrary:
    server = McpServer(command=sys.executable, args=[str(SERVER)], env={"SHOWN": "yes"})
    return McpLibrary(name="tests", server=server, tools=tools, timeout_seconds=timeout_seconds)


@pytest_asyncio.fixture
async def opened() -> AsyncIterator[McpLibrary]:
    made = library()
    yield made
    await made.close()


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


async def test_tools_become_skills_and_are_called(opened: McpLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIDDEN", "secret")
    reading = await opened.read()
    add = reading.skills[0]
    assert (add.id, add.name, add.kind) == ("tests/add", "add", "tool")
    assert add.description == "Add two numbers. Whole ones."
    assert add.parameters["required"] == ["a"]
    assert add.parameters["properties"]["a"] == {"description": "The first number", "type": "integer"}  # type: ignore[index]
    assert add.provenance.source == f"{sys.executable}#add"
    nested = reading.skills[1]
    assert "$ref" not in str(nested.parameters)
    assert "Again as 'Part' above." in str(nested.parameters)
    assert reading.refused == ()
    assert await opened.call("add", {"a": 40}) == "42"
    assert await opened.call("nested", {"part": {"text": "x", "parts": [{"text": "y"}]}}) == "1"
    assert len(await opened.call("long", {})) < RESULT_CHARACTERS + 60
    assert await opened.call("environment", {"name": "SHOWN"}) == "yes"
    assert await opened.call("environment", {"name": "HIDDEN"}) == "(not there)"
    with pytest.raises(SkillFailed, match=r"'fail' reports: .*fail"):
        await opened.call("fail", {})
    with pytest.raises(SkillFailed, match="'add' reports: "):
        await opened.call("add", {"a": "no number"})
    with pytest.raises(SkillNotFound, match=r"did you mean 'add'\?"):
        await opened.call("ad", {})


async def test_server_is_told_on_whose_behalf_it_is_called_and_arguments_cannot_say_so(opened: McpLibrary) -> None:
    assert await opened.call("context", {}) == "null"
    context = CallContext(tenant="acme", principal="ada", scope=("skill:context",), trace_id="run_1", session_id="s")
    with calling(context):
        told = json.loads(await opened.call("context", {"_meta": {"context": {"user_id": "root"}}}))
        opened.sends_context = False
        assert await opened.call("context", {}) == "null"
    assert told == {
        "user_id": "ada", "tenant_id": "acme", "session_id": "s", "authorization_scope": ["skill:context"],
        "trace_id": "run_1",
    }  # fmt: skip


async def test_error_that_the_server_calls_retryable_is_so(opened: McpLibrary) -> None:
    with pytest.raises(SkillUnavailable, match="reports: busy") as raised:
        await opened.call("busy", {"retryable": True, "retry_after": 1.5, "hint": "Ask\n later."})
    assert ToolError.of(raised.value) == ToolError(
        code="skill_unavailable",
        category="unavailable",
        is_retryable=True,
        retry_after_seconds=1.5,
        hint="Ask later.",
    )
    with pytest.raises(SkillFailed, match="reports: busy") as final:
        await opened.call("busy", {"retryable": False, "retry_after": -1, "hint": ""})
    assert ToolError.of(final.value).is_retryable is False
    with pytest.raises(SkillUnavailable) as odd:
        await opened.call("busy", {"retryable": True, "retry_after": 1e300, "hint": " "})
    assert (odd.value.retry_after_seconds, odd.value.hint) == (None, "Try other arguments or another skill.")


async def test_server_that_died_is_started_anew_and_the_call_under_way_is_not_repeated(
    opened: McpLibrary, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    with pytest.raises(SkillFailed, match=r"the call of 'die' failed: Connection closed"):
        await opened.call("die", {"file": str(marks)})
    assert marks.read_text() == "died\n"
    first = int(await opened.call("process", {}))
    os.kill(first, signal.SIGKILL)
    second = int(await opened.call("process", {}))
    assert second != first
    os.kill(second, signal.SIGKILL)
    assert len((await opened.read()).skills) == 10


async def test_calls_at_once_share_the_server_that_is_started_anew(opened: McpLibrary) -> None:
    os.kill(int(await opened.call("process", {})), signal.SIGKILL)
    answers = await asyncio.gather(*(opened.call("process", {}) for _ in range(5)))
    assert len(set(answers)) == 1


async def test_server_is_reached_by_url_with_the_operators_headers() -> None:
    seen: list[str] = []
    app = http_server.streamable_http_app()

    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(value.decode() for key, value in scope.get("headers", []) if key == b"authorization")
        await app(scope, receive, send)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        uvicorn_server = uvicorn.Server(uvicorn.Config(told, log_level="error", timeout_graceful_shutdown=1))
        serving = asyncio.create_task(uvicorn_server.serve(sockets=[listening]))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        made = McpLibrary(
            name="web", server=McpServer(url=url, headers={"Authorization": "Bearer k"}), timeout_seconds=START_SECONDS
        )
        assert await made.call("add", {"a": 40}) == "42"
        assert (await made.skills())[0].id == "web/add"
        await made.close()
        uvicorn_server.should_exit = True
        await serving
    assert set(seen) == {"Bearer k"}
    with pytest.raises(SkillFailed, match=r"could not be opened|did not answer"):
        await McpLibrary(name="web", server=McpServer(url=url), timeout_seconds=2).skills()


async def test_closing_ends_the_server_and_another_call_starts_one(opened: McpLibrary) -> None:
    process = int(await opened.call("process", {}))
    assert is_running(process)
    await opened.close()
    assert not is_running(process)
    await opened.close()
    assert await opened.call("add", {"a": 1}) == "3"


async def test_tool_that_never_answers_costs_the_limit_only(opened: McpLibrary) -> None:
    await opened.skills()
    opened.connection.timeout_seconds = 0.5
    with pytest.raises(SkillFailed, match=r"the call of 'hang' was not done after 0.5 s|timed out"):
        await opened.call("hang", {})
    opened.connection.timeout_seconds = START_SECONDS
    assert await opened.call("add", {"a": 1}) == "3"


async def test_only_named_tools_are_offered(opened: McpLibrary) -> None:
    opened.only = frozenset({"add"})
    assert [skill.name for skill in await opened.skills()] == ["add"]
    opened.only = frozenset({"addd"})
    with pytest.raises(SkillError, match=r"no tool 'addd'; did you mean 'add'\?"):
        await opened.read()


@pytest.mark.parametrize("command", ["/no/such/command", "false", "true"])
async def test_command_that_is_no_server_is_told(command: str) -> None:
    broken = McpLibrary(name="x", server=McpServer(command=command), timeout_seconds=5)
    with pytest.raises(SkillFailed, match="could not be opened"):
        await broken.skills()
    await broken.close()


async def test_command_that_says_nothing_costs_the_limit_only() -> None:
    silent = McpLibrary(name="x", server=McpServer(command="sleep", args=["60"]), timeout_seconds=0.3)
    with pytest.raises(SkillFailed, match=r"did not answer in 0.3 s"):
        await silent.skills()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "either a command or a URL"),
        ({"command": "x", "url": "https://example.org/mcp"}, "either a command or a URL"),
        ({"url": "file:///etc"}, "is no server"),
        ({"url": "https://user:secret@example.org"}, "'example.org' is no server"),
    ],
)
def test_server_is_a_command_or_a_url(options: dict[str, str], reason: str) -> None:
    with pytest.raises(SkillError, match=reason):
        McpServer(command=options.get("command", ""), url=options.get("url", ""))


def test_keys_do_not_show() -> None:
    assert "secret" not in repr(McpServer(url="https://example.org", headers={"Authorization": "secret"}))


@pytest.mark.parametrize(
    ("server", "shown"),
    [
        (McpServer(command="serve", args=["--key", "k-secret"], env={"KEY": "k-secret"}), "serve"),
        (McpServer(url="https://host/mcp?key=k-secret", headers={"authorization": "k-secret"}), "https://host/mcp"),
    ],
)
def test_keys_of_the_settings_are_not_shown(server: McpServer, shown: str) -> None:
    assert server.shown == shown
    assert "k-secret" not in repr(server)
