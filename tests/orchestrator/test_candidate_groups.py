"""A candidate that names many skills looks into groups of them, then calls one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from agents.llm import CompletionRequest, ScriptedLLM
from orchestrator.bootstrap import bootstrap
from orchestrator.candidate_groups import MOST_FLAT
from orchestrator.settings import MOST_SHOWN_SKILLS
from skills.base import Skill, SkillLibrary
from tests.conftest import answers, scripted_settings
from tests.skills.groups.topics import skills

ARGUMENTS = {"type": "object", "properties": {"page": {"type": "integer"}}}


class ManySkills(SkillLibrary):
    """Functions, or texts, of ten topics."""

    def __init__(self, count: int, *, are_texts: bool = False) -> None:
        long = "Read all of it. " * 50
        self.offered = [
            replace(one, body=f"{long}{one.body}") if are_texts else replace(one, kind="function", parameters=ARGUMENTS)
            for one in skills(count)
        ]

    async def skills(self) -> Sequence[Skill]:
        return self.offered

    async def call(self, name: str, arguments: Mapping[str, object]) -> str:
        return f"{name} did page {arguments['page']}"


def looks_and_calls(request: CompletionRequest) -> str:
    """A model that looks into the group about kubernetes and takes the first skill that it is told of."""
    last = request.messages[-1].content
    if "did page" in last or "Read all of it." in last:
        return f"ANSWER {last.replace(chr(10), ' ')}"
    if last.startswith("RESULT"):
        name = next(word for word in last.split() if "_kubernetes_" in word).rstrip(":")
        return f'CALL {name} {{"page": 4}}'
    tools = request.messages[0].content.split("Tools:\n")[1].split()
    groups = [word for word in tools if word.startswith("browse_") and "kubernetes" in word]
    return f"CALL {groups[0]} {{}}" if groups else "ANSWER no groups"


async def run_over(library: ManySkills, *, agent: str = "tool_loop") -> tuple[str, int]:
    """The answer, and how many skills the model was shown at first."""
    names = [skill.name for skill in library.offered]
    candidates = [{"id": "many", "agent": agent, "model": "small", "skills": names}]
    seen: list[int] = []

    def reply(request: CompletionRequest) -> str:
        text = request.messages[0].content
        seen.append(len(text.split("Tools:\n")[1].splitlines()) if "Tools:\n" in text else 0)
        return looks_and_calls(request)

    llms = {"small": ScriptedLLM(reply=reply), "large": ScriptedLLM(reply=answers)}
    service = await bootstrap(scripted_settings(candidates=candidates), llms=llms, skills=library)
    try:
        return (await service.run("Deploy page 4 to the cluster.")).answer, seen[0]
    finally:
        await service.close()


async def test_more_than_fifty_skills_are_reached_through_their_groups() -> None:
    answer, shown = await run_over(ManySkills(80))
    assert re.search(r"_kubernetes_\d+ did page 4", answer)
    assert shown <= MOST_SHOWN_SKILLS


async def test_a_text_in_a_group_is_read_in_full() -> None:
    answer, _ = await run_over(ManySkills(80, are_texts=True))
    assert "Open the kubernetes" in answer


async def test_fifty_skills_are_shown_as_they_are() -> None:
    answer, _ = await run_over(ManySkills(MOST_FLAT))
    assert answer == "no groups"
