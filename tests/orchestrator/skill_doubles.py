"""Doubles for the search of skills: a searcher over a few skills, and an index that can be told what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from agents.llm import LLM, CompletionRequest, ScriptedLLM
from orchestrator.bootstrap import bootstrap
from orchestrator.service import Service
from orchestrator.skill_forms import version_of
from skills.base import Provenance, Skill, SkillHit, SkillSearch, SkillSearcher, content_sha256
from skills.errors import SkillNotFound
from storage.errors import ServiceError
from tests.conftest import scripted_settings

MakeSkillService = Callable[..., Awaitable[Service]]


def text_skill(name: str, *, body: str = "Do it well.", id: str = "") -> Skill:
    return Skill(
        id=id or f"pool/{name}",
        name=name,
        description=f"How to {name}.",
        body=body,
        provenance=Provenance(source="test", sha256="0" * 64),
    )


@dataclass(kw_only=True)
class ListedSearcher:
    """Finds its skills in the order in which they are listed, whatever is asked."""

    offered: Sequence[Skill]
    fit_probability: float | None = 0.9
    sha256: str = "1" * 64
    ranker_sha256: str = "2" * 64
    encoder_name: str = "double"
    texts: list[str] = field(default_factory=list)
    is_newest: bool = True

    def search(self, texts: Sequence[str], *, top: int) -> list[SkillSearch]:
        self.texts += texts
        hits = tuple(
            SkillHit(
                skill_id=skill.skill_id,
                name=skill.name,
                sha256=content_sha256(skill),
                rank=place,
                retrieval=1 / (60 + place),
                rerank=3.0 - place,
            )
            for place, skill in enumerate(self.offered[:top], start=1)
        )
        return [SkillSearch(hits=hits, fit_probability=self.fit_probability) for _ in texts]

    def skills(self, skill_ids: Sequence[str]) -> list[Skill]:
        known = {skill.skill_id: skill for skill in self.offered}
        if unknown := [skill_id for skill_id in skill_ids if skill_id not in known]:
            raise SkillNotFound(f"No skill {unknown[0]!r}.")
        return [known[skill_id] for skill_id in skill_ids]

    def is_current(self) -> bool:
        return self.is_newest


@dataclass(kw_only=True)
class DoubleIndex:
    """Hands out its searcher, or raises its error."""

    searcher: SkillSearcher
    error: Exception | None = None

    async def current(self) -> SkillSearcher:
        if self.error is not None:
            raise self.error
        return self.searcher

    def notices(self) -> tuple[str, ...]:
        return (f"no skills: {self.error}",) if isinstance(self.error, ServiceError) else ()


FINDING_CANDIDATES = [{"id": "finder", "agent": "tool_loop", "model": "small", "found_skills": 2}]


def reads_first(request: CompletionRequest) -> str:
    """A model that reads the first text that it is offered, then answers with the last line of its body."""
    last = request.messages[-1].content
    if last.startswith("RESULT"):
        body = last.split("<skill ")[1].split("\n", 1)[1].split("\n</skill ")[0]
        return f"ANSWER {body.splitlines()[-1]}"
    lines = [line for line in request.messages[0].content.split("Tools:\n")[1].splitlines() if ": (text) " in line]
    return f"CALL {lines[0].split()[0]}" if lines else "ANSWER nothing to read"


@pytest.fixture
async def make_skill_service() -> AsyncIterator[MakeSkillService]:
    """Builds services over the scripted models with a searcher of skills; all are closed at the end."""
    services: list[Service] = []

    async def make(
        *offered: Skill,
        index: DoubleIndex | None = None,
        small: Any = reads_first,
        large: Any = reads_first,
        candidates: Sequence[Mapping[str, Any]] = FINDING_CANDIDATES,
        skills: Any = None,
        skills_settings: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> Service:
        llms: dict[str, LLM] = {"small": ScriptedLLM(reply=small), "large": ScriptedLLM(reply=large)}
        index = index or DoubleIndex(searcher=ListedSearcher(offered=offered))
        settings = scripted_settings(candidates=candidates, skills=skills_settings or {}, **changes)
        services.append(await bootstrap(settings, llms=llms, skills=skills, skill_index=index))
        return services[-1]

    yield make
    for service in services:
        await service.close()


async def catalogued(service: Service, *skills: Skill, library: str = "pool", findings: Any = ()) -> None:
    """Puts the skills into the service's catalogue, past source and scan."""
    versions = [replace(version_of(skill, library=library), findings=tuple(findings)) for skill in skills]
    await service.stores.skills.put(versions)
