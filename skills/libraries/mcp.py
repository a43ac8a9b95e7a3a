"""The tools of an MCP server as skills."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256

from skills.base import Provenance, Skill, SkillLibrary
from skills.call_context import current_call
from skills.errors import SkillError, SkillFailed, SkillNotFound, SkillRefused, SkillUnavailable
from skills.libraries.fields import checked_line, checked_text, on_one_line
from skills.libraries.mcp_connection import McpAnswer, McpConnection, McpServer, McpTool
from skills.libraries.schema_refs import References
from skills.libraries.source import Reading, Refused, SkillSource
from skills.names import did_you_mean
from skills.results import result_text

MAX_NAME_CHARACTERS = 128
MAX_SCHEMA_BYTES = 64 * 1024
MAX_TOOLS = 2000
TIMEOUT_SECONDS = 10.0
HINT = "Try other arguments or another skill."
HINT_CHARACTERS = 200
LONGEST_WAIT_SECONDS = 1e6  # that is believed


class McpLibrary(SkillLibrary, SkillSource):
    """One server's tools, listed when first asked for. `close` ends the session, and the server if it was started."""

    def __init__(
        self,
        *,
        name: str,
        server: McpServer,
        tools: Collection[str] = (),
        timeout_seconds: float = TIMEOUT_SECONDS,
        sends_context: bool = True,
    ) -> None:
        """`server`: from the operator's settings alone. `tools`: only these; none: all. `sends_context`: the server is
        told on whose behalf it is called.
        """
        self.name = name
        self.only = frozenset(tools)
        self.sends_context = sends_context
        self.connection = McpConnection(server, timeout_seconds=timeout_seconds)
        self._name_to_skill: dict[str, Skill] | None = None

    async def read(self) -> Reading:
        """Asks the server anew. Raises SkillFailed where it cannot be reached, SkillError for an unknown tool."""
        name_to_skill: dict[str, Skill] = {}
        refused: list[Refused] = []
        for place, tool in enumerate(await self.connection.tools()):
            try:
                if place >= MAX_TOOLS:
                    raise SkillRefused(f"The server has more than {MAX_TOOLS} tools.")
                if tool.name in name_to_skill:
                    raise SkillRefused(f"The name {tool.name!r} stands twice; names are unique.")
                name_to_skill[tool.name] = self._skill(tool)
            except (SkillRefused, ValueError, RecursionError) as exc:
                refused.append(Refused(where=f"tool {tool.name!r:.100}", reason=str(exc)))
                if place >= MAX_TOOLS:
                    break
        if unknown := sorted(self.only - set(name_to_skill)):
            raise SkillError(
                f"Server {self.name!r} has no tool {unknown[0]!r}; {did_you_mean(unknown[0], name_to_skill)}."
            )
        wanted = {name: skill for name, skill in name_to_skill.items() if not self.only or name in self.only}
        self._name_to_skill = wanted
        return Reading(skills=tuple(wanted.values()), refused=tuple(refused))

    async def skills(self) -> Sequence[Skill]:
        return list((await self._skills()).values())

    async def call(self, name: str, arguments: Mapping[str, object]) -> str:
        """The tool's text, clipped. Raises SkillFailed with the tool's own words where it reports an error.

        A server that reports errors in SERF's fields is believed when it says that the call may be sent again.
        """
        skills = await self._skills()
        if name not in skills:
            raise SkillNotFound(f"No tool {name!r}; {did_you_mean(name, skills)}.")
        context = current_call() if self.sends_context else None
        answer = await self.connection.call(name, arguments, context=context.meta() if context else None)
        if answer.is_error:
            raise _reported(name, answer)
        return result_text(answer.text)

    async def close(self) -> None:
        await self.connection.close()

    async def _skills(self) -> dict[str, Skill]:
        if self._name_to_skill is None:
            await self.read()
        return self._name_to_skill or {}

    def _skill(self, tool: McpTool) -> Skill:
        name = checked_line(tool.name, "name", limit=MAX_NAME_CHARACTERS)
        told = checked_text(tool.description, "description")
        parameters = References(tool.input_schema).written_out(tool.input_schema)
        if not isinstance(parameters, dict) or parameters.get("type") != "object":
            raise SkillRefused("Its arguments are not described as a JSON object.")
        parameters.pop("$defs", None)
        plain = json.dumps([name, told, parameters], sort_keys=True)
        if len(plain) > MAX_SCHEMA_BYTES + len(told):
            raise SkillRefused(f"Its arguments take more than {MAX_SCHEMA_BYTES} bytes to describe.")
        return Skill(
            id=f"{self.name}/{name}",
            name=name,
            description=on_one_line(told) or name,
            kind="tool",
            parameters=parameters,
            body=told,
            provenance=Provenance(
                source=f"{self.connection.server.shown}#{name}", sha256=sha256(plain.encode()).hexdigest()
            ),
        )


def _reported(name: str, answer: McpAnswer) -> SkillFailed:
    """The server's own error; of its SERF fields those are heeded that are what they should be."""
    told = answer.structured
    hint = told.get("hint")
    hint = on_one_line(hint)[:HINT_CHARACTERS] if isinstance(hint, str) and hint.strip() else HINT
    message = f"Tool {name!r} reports: {result_text(answer.text)}"
    if told.get("retryable") is not True:
        return SkillFailed(message, hint=hint)
    return SkillUnavailable(message, hint=hint, retry_after_seconds=_seconds(told.get("retry_after")))


def _seconds(wait: object) -> float | None:
    if not isinstance(wait, int | float) or isinstance(wait, bool):
        return None
    return float(wait) if 0 <= wait <= LONGEST_WAIT_SECONDS else None
