"""The libraries of the settings: those whose skills candidates name, and every skill that can be called by its id."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

from orchestrator.found_skills import LiveSkill
from orchestrator.settings import McpSettings, OpenApiSettings, Settings
from skills.base import SkillLibrary
from skills.registry import make_library
from skills.wrappers import CombinedLibrary, FilteredLibrary
from storage.errors import ServiceError


@dataclass(kw_only=True)
class Libraries:
    """What the settings offer."""

    named: SkillLibrary  # candidates name its skills
    live: dict[str, LiveSkill] = field(default_factory=dict)  # by skill id
    notices: list[str] = field(default_factory=list)  # of those that could not be reached
    name_to_library: dict[str, SkillLibrary] = field(default_factory=dict)  # OpenAPI documents and MCP servers

    async def close(self) -> None:
        """Ends sessions, and the servers that were started for them."""
        for library in self.name_to_library.values():
            if isinstance(library, Session):
                await library.close()


@runtime_checkable
class Session(Protocol):
    """A library that holds something open."""

    async def close(self) -> None: ...


async def open_libraries(settings: Settings) -> Libraries:
    """Raises SkillError where two libraries offer one name that a candidate wants, or a folder is not there."""
    folders = [*settings.skill_folders, *settings.skills.folders]
    own: list[SkillLibrary] = [make_library("builtin")]
    own += [make_library("markdown", folder=Path(folder)) for folder in folders]
    libraries = Libraries(named=CombinedLibrary(*own))
    offered = {skill.name for skill in await libraries.named.skills()}
    wanted = {name for candidate in settings.candidates for name in candidate.skills} - offered
    await _add_live(libraries, own[0])
    named: list[SkillLibrary] = []
    for name, make in _makers(settings).items():
        try:
            library = libraries.name_to_library[name] = make()
            await _add_live(libraries, library)
        except ServiceError as error:
            libraries.notices.append(f"the skills of library {name!r} cannot be called: {error}")
            continue
        named += await _named_of(library, wanted)
    if named:
        libraries.named = CombinedLibrary(*own, *named)
    return libraries


async def live_skills(*libraries: SkillLibrary) -> dict[str, LiveSkill]:
    """Every skill that these can call, by its id."""
    return {
        skill.skill_id: LiveSkill(skill=skill, library=library)
        for library in libraries
        for skill in await library.skills()
    }


async def _add_live(libraries: Libraries, library: SkillLibrary) -> None:
    libraries.live.update(await live_skills(library))


async def _named_of(library: SkillLibrary, wanted: Collection[str]) -> Sequence[SkillLibrary]:
    """The library with nothing but what candidates name; none where they name nothing of it."""
    names = {skill.name for skill in await library.skills()} & set(wanted)
    return [FilteredLibrary(library, names)] if names else []


def _makers(settings: Settings) -> dict[str, Callable[[], SkillLibrary]]:
    makers: dict[str, Callable[[], SkillLibrary]] = {}
    for name, document in settings.skills.openapi.items():
        makers[name] = partial(openapi_library, name, document)
    for name, server in settings.skills.mcp.items():
        makers[name] = partial(mcp_library, name, server)
    return makers


def openapi_library(name: str, document: OpenApiSettings) -> SkillLibrary:
    """Raises SkillError."""
    return make_library(
        "openapi",
        name=name,
        document=document.document,
        base_url=document.base_url,
        headers=document.headers(),
        operations=document.operations,
        timeout_seconds=document.timeout_seconds,
    )


def mcp_library(name: str, settings: McpSettings) -> SkillLibrary:
    """Raises SkillError."""
    from skills.libraries.mcp_connection import McpServer

    server = McpServer(
        command=settings.command or "",
        args=settings.args,
        env=settings.environment(),
        url=settings.url or "",
        headers=settings.headers(),
    )
    return make_library(
        "mcp",
        name=name,
        server=server,
        tools=settings.tools,
        timeout_seconds=settings.timeout_seconds,
        sends_context=settings.sends_context,
    )
