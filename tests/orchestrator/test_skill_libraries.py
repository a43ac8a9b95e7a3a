"""Libraries of the settings: found tools are called where they live, and one that is away fails nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agents.llm import CompletionRequest, ScriptedLLM
from orchestrator.bootstrap import bootstrap
from orchestrator.errors import SettingsInvalid
from orchestrator.service import Service
from orchestrator.skill_libraries import open_libraries
from skills.libraries.source import SkillSource
from tests.conftest import scripted_settings
from tests.orchestrator.skill_doubles import FINDING_CANDIDATES

MCP_SERVER = Path(__file__).parents[1] / "skills" / "libraries" / "mcp_server.py"
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "servers": [{"url": "https://pets.example"}],
    "paths": {"/pets": {"get": {"operationId": "listPets", "summary": "Lists the pets."}}},
}
Open = Callable[..., Awaitable[Service]]


@pytest.fixture
async def open_service(tmp_path: Path) -> AsyncIterator[Open]:
    services: list[Service] = []

    async def make(reply: Callable[[CompletionRequest], str], **changes: Any) -> Service:
        skills = {"index": str(tmp_path / "index"), **changes.pop("skills")}
        settings = scripted_settings(**{"candidates": FINDING_CANDIDATES, **changes, "skills": skills})
        services.append(await bootstrap(settings, llms={"small": ScriptedLLM(reply=reply)}))
        return services[-1]

    yield make
    for service in services:
        await service.close()


def adds(request: CompletionRequest) -> str:
    last = request.messages[-1].content
    return last.replace("RESULT", "ANSWER") if last.startswith("RESULT") else 'CALL add {"a": 40, "b": 2}'


async def test_a_tool_of_an_mcp_server_is_added_found_and_called(open_service: Open) -> None:
    server = {"command": sys.executable, "args": [str(MCP_SERVER)], "tools": ["add"], "timeout_seconds": 60}
    service = await open_service(adds, skills={"mcp": {"sums": server}})
    [live] = [skill for skill in service.nodes.finder.live.values() if skill.skill.kind == "tool"]
    assert isinstance(live.library, SkillSource)
    assert (await service.skills.add(live.library)).added == ("sums/add",)
    run = await service.run("Add two numbers: 40 and 2.")
    assert run.answer == "42"
    decision = (await service.attempt(run.decision_id)).decision
    assert decision.skills is not None
    assert [skill.skill_id for skill in decision.skills.shown] == ["sums/add"]


async def test_libraries_that_are_away_are_told_and_fail_nothing(tmp_path: Path, open_service: Open) -> None:
    away = {
        "mcp": {"gone": {"command": str(tmp_path / "no-such-server")}},
        "openapi": {"lost": {"document": "no.json"}},
    }
    service = await open_service(lambda request: "ANSWER fine", skills=away)
    notices = "\n".join(service.notices)
    assert "the skills of library 'gone' cannot be called: " in notices
    assert "the skills of library 'lost' cannot be called: No file 'no.json'" in notices
    assert (await service.run("Hello?")).answer == "fine"


async def test_candidates_may_name_operations_and_only_those_are_listed(tmp_path: Path) -> None:
    file = tmp_path / "pets.json"
    file.write_text(json.dumps(DOCUMENT))
    skills = {"openapi": {"pets": {"document": str(file)}}}
    plain = scripted_settings(skills=skills)
    libraries = await open_libraries(plain)
    [operation] = [live for live in libraries.live.values() if live.skill.kind == "operation"]
    assert operation.skill.name == "listPets"
    assert "listPets" not in {skill.name for skill in await libraries.named.skills()}
    naming = [{"agent": "tool_loop", "model": "small", "skills": ["listPets", "calculator"]}]
    libraries = await open_libraries(scripted_settings(candidates=naming, skills=skills))
    assert {"listPets", "calculator"} <= {skill.name for skill in await libraries.named.skills()}


async def test_a_name_that_no_library_offers_is_refused(open_service: Open) -> None:
    naming = [{"agent": "tool_loop", "model": "small", "skills": ["listPets"]}]
    with pytest.raises(SettingsInvalid, match="unknown skills"):
        await open_service(adds, candidates=naming, skills={})
