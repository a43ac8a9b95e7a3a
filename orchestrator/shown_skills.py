"""What a candidate's agent is given to work with: its own skills, and those that were found for the query."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agents.base import Agent, TokenBound
from orchestrator.candidate_groups import grouped
from orchestrator.found_skills import FoundSkills, LiveSkill
from skills.base import Skill, SkillLibrary
from skills.errors import SkillFailed, SkillNotFound
from skills.names import did_you_mean
from skills.reading import delimited, is_text, with_body_of
from skills.wrappers import FilteredLibrary
from storage.records import Candidate, Query
from storage.skill_records import SkillSelection

if TYPE_CHECKING:
    from skills.groups.base import SkillGroups

NAME_CHARACTERS = 64
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")
MOST_BODY_BYTES = 5000  # of a text that are shown
LEAST_BODY_BYTES = 300  # less is no use: a candidate whose window does not hold it is not asked


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The skills of one candidate for one query."""

    library: SkillLibrary
    skills: tuple[Skill, ...]
    name_to_id: Mapping[str, str]  # of the found ones
    bound: TokenBound


class FoundLibrary(SkillLibrary):
    """A candidate's own skills and the found ones, each under a name of its own that a model can write.

    A text is returned between marks, its body cut to `body_bytes`; all others are called where they live.
    """

    def __init__(
        self, own: SkillLibrary, found: Mapping[str, Skill], live: Mapping[str, LiveSkill], *, body_bytes: int
    ) -> None:
        """`found`: by the name it is shown under. `live`: by id."""
        self.own = own
        self.found = found
        self.live = live
        self.body_bytes = body_bytes

    async def skills(self) -> Sequence[Skill]:
        own = [*await self.own.skills()]
        found = [replace(skill, name=name) for name, skill in self.found.items()]
        return [with_body_of(skill, self.body_bytes) for skill in (*own, *found)]

    async def call(self, name: str, arguments: Mapping[str, object]) -> str:
        offered = {skill.name: skill for skill in await self.skills()}
        if name not in offered:
            raise SkillNotFound(f"No skill {name!r} is offered here; {did_you_mean(name, offered)}.")
        if is_text(offered[name]):
            return delimited(offered[name])
        if name not in self.found:
            return await self.own.call(name, arguments)
        live = self.live.get(self.found[name].skill_id)
        if live is None:
            raise SkillFailed(f"Skill {name!r} cannot be reached any more.", hint="Try another one.")
        return await live.library.call(live.skill.name, arguments)


class BoundMemory:
    """What each agent's bound was, without skills, for the query that it was last asked about."""

    def __init__(self) -> None:
        self._agent_to_last: dict[Agent, tuple[Query, TokenBound]] = {}

    def of(self, agent: Agent, query: Query) -> TokenBound:
        known = self._agent_to_last.get(agent)
        if known is None or known[0] is not query:
            known = self._agent_to_last[agent] = query, agent.bound(query, ())
        return known[1]


async def shown_to(
    candidate: Candidate,
    query: Query,
    agent: Agent,
    *,
    library: SkillLibrary,
    found: FoundSkills | None,
    live: Mapping[str, LiveSkill],
    groups: SkillGroups | None = None,
    bounds: BoundMemory | None = None,
) -> Shown:
    """The skills that the candidate is given, texts cut so that its longest call fits its window where that can be.

    `groups`: of its own skills, which it then looks into; what they hide counts for what a call can take.
    """
    filtered = FilteredLibrary(library, candidate.skills)
    if not candidate.skills and (found is None or not candidate.found_skills):
        nothing = FoundLibrary(filtered, {}, live, body_bytes=MOST_BODY_BYTES)
        bound = agent.bound(query, ()) if bounds is None else bounds.of(agent, query)
        return Shown(library=nothing, skills=(), name_to_id={}, bound=bound)
    own, own_skills = grouped(filtered, groups), await filtered.skills()
    named = _named([*own_skills, *await own.skills()], _of(candidate, own_skills, found))
    hidden = [skill for skill in own_skills if groups is not None and is_text(skill)]
    body_bytes = MOST_BODY_BYTES
    while True:
        offered = FoundLibrary(own, named, live, body_bytes=body_bytes)
        skills = tuple(await offered.skills())
        texts = [skill for skill in (*skills, *(with_body_of(each, body_bytes) for each in hidden)) if is_text(skill)]
        bound = agent.bound(query, (*skills, *texts) if hidden else skills)
        longest = max((len(skill.body.encode("utf-8", "replace")) for skill in texts), default=0)
        excess = bound.longest_call - candidate.card.context_window
        if excess <= 0 or longest <= LEAST_BODY_BYTES:
            break
        body_bytes = max(LEAST_BODY_BYTES, longest - excess)
    ids = {name: skill.skill_id for name, skill in named.items()}
    return Shown(library=offered, skills=skills, name_to_id=ids, bound=bound)


def marked(selection: SkillSelection, shown: Shown | None) -> SkillSelection:
    """The selection, saying which of the considered skills the picked candidate was given."""
    ids = set() if shown is None else set(shown.name_to_id.values())
    return replace(
        selection,
        considered=tuple(replace(skill, is_shown=skill.skill_id in ids) for skill in selection.considered),
    )


def _of(candidate: Candidate, own: Sequence[Skill], found: FoundSkills | None) -> list[Skill]:
    """The best found ones, as many as the candidate wants, less those that it has anyway."""
    if found is None or not candidate.found_skills:
        return []
    has = {skill.skill_id for skill in own}
    return [skill for skill in found.usable if skill.skill_id not in has][: candidate.found_skills]


def _named(own: Sequence[Skill], found: Sequence[Skill]) -> dict[str, Skill]:
    """Each found skill under a name that nobody else has."""
    taken = {skill.name for skill in own}
    named: dict[str, Skill] = {}
    for skill in found:
        first = callable_name(skill.name)
        name, place = first, 2
        while name in taken:
            name, place = f"{first[: NAME_CHARACTERS - 4]}_{place}", place + 1
        taken.add(name)
        named[name] = skill
    return named


def callable_name(name: str) -> str:
    """A stranger's name as one word that begins with a letter: what a model can write after CALL."""
    word = NOT_IN_NAMES.sub("_", name).strip("_.-")[:NAME_CHARACTERS]
    return word if word[:1].isalpha() else f"skill_{word}".rstrip("_")[:NAME_CHARACTERS]
