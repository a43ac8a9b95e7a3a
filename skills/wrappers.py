"""Libraries around libraries and around skills: a choice, several as one, texts to read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from skills.base import Skill, SkillLibrary
from skills.errors import SkillError, SkillNotFound, SkillRefused
from skills.names import did_you_mean
from skills.reading import delimited


class FilteredLibrary(SkillLibrary):
    """Shows and calls only the skills that a candidate may use."""

    def __init__(self, wrapped: SkillLibrary, allowed: Collection[str]) -> None:
        self.wrapped = wrapped
        self.allowed = frozenset(allowed)

    async def skills(self) -> Sequence[Skill]:
        if not self.allowed:  # of most candidates, several times a query
            return ()
        return [skill for skill in await self.wrapped.skills() if skill.name in self.allowed]

    async def call(self, name: str, arguments: Mapping[str, object]) -> str:
        if name not in self.allowed:
            raise SkillNotFound(f"Skill {name!r} is not among those allowed here; {did_you_mean(name, self.allowed)}.")
        return await self.wrapped.call(name, arguments)


class CombinedLibrary(SkillLibrary):
    """Several libraries as one. A name that two of them offer is refused: which one is meant would be a guess."""

    def __init__(self, *libraries: SkillLibrary) -> None:
        self.libraries = libraries

    async def skills(self) -> Sequence[Skill]:
        """Raises SkillError, naming both sources, for a name that is offered twice."""
        return [skill for skill, _ in (await self._name_to_offer()).values()]

    async def call(self, name: str, arguments: Mapping[str, object]) -> str:
        name_to_offer = await self._name_to_offer()
        if name not in name_to_offer:
            raise SkillNotFound(f"No skill {name!r}; {did_you_mean(name, name_to_offer)}.")
        return await name_to_offer[name][1].call(name, arguments)

    async def _name_to_offer(self) -> dict[str, tuple[Skill, SkillLibrary]]:
        offers: dict[str, tuple[Skill, SkillLibrary]] = {}
        for library in self.libraries:
            for skill in await library.skills():
                if skill.name in offers:
                    first, second = offers[skill.name][0].provenance.source, skill.provenance.source
                    raise SkillError(
                        f"Skill {skill.name!r} comes from {first!r} and from {second!r}; rename one or filter it out."
                    )
                offers[skill.name] = (skill, library)
        return offers


class TextLibrary(SkillLibrary):
    """Skills that are texts: calling one gives its body to read, between marks that the body cannot forge.

    A name that an earlier skill has already gets a number behind it, since a model calls by name alone.
    """

    def __init__(self, skills: Iterable[Skill]) -> None:
        """Raises SkillError for a skill that is no text: it is called where it lives."""
        self._name_to_skill: dict[str, Skill] = {}
        for skill in skills:
            if skill.kind != "text":
                raise SkillError(f"Skill {skill.skill_id!r} is a {skill.kind}, not a text to read.")
            name, number = skill.name, 2
            while name in self._name_to_skill:
                name, number = f"{skill.name}-{number}", number + 1
            self._name_to_skill[name] = replace(skill, name=name, id=skill.skill_id)

    async def skills(self) -> Sequence[Skill]:
        return list(self._name_to_skill.values())

    async def call(self, name: str, arguments: Mapping[str, object]) -> str:
        skill = self._name_to_skill.get(name)
        if skill is None:
            raise SkillNotFound(f"No skill {name!r}; {did_you_mean(name, self._name_to_skill)}.")
        if arguments:
            raise SkillRefused(f"Skill {name!r} is a text to read and takes no arguments, not {sorted(arguments)}.")
        return delimited(skill)
