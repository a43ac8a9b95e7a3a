"""Shows a large library as groups: an agent looks into one, and may then call the skills that it has seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from skills.base import Provenance, Skill, SkillLibrary
from skills.errors import SkillNotFound, SkillRefused
from skills.groups.base import SkillGroups
from skills.names import did_you_mean

BROWSE = "browse_"
LISTING_BYTES = 560  # of what looking into a group tells
LEAST_DESCRIPTION_BYTES = 12  # less of each is told by names alone
NO_BYTES = "0" * 64  # a group has no text of its own
NO_ARGUMENTS: Mapping[str, object] = {"type": "object", "properties": {}}


class GroupedLibrary(SkillLibrary):
    """Group → skill. Remembers what was looked into, so it is made anew for each run.

    A skill that is in no group is shown beside them. A skill may be called before its group was looked into.
    """

    def __init__(self, wrapped: SkillLibrary, groups: SkillGroups, *, listing_bytes: int = LISTING_BYTES) -> None:
        self.wrapped = wrapped
        self.groups = groups
        self.listing_bytes = listing_bytes
        self._opened: dict[int, None] = {}  # places of groups, in the order they were looked into

    async def skills(self) -> Sequence[Skill]:
        """The groups at the top, and what stands right below those that were looked into, each once."""
        view = _View(self.groups, await self.wrapped.skills())
        shown = [*view.ungrouped(), *view.below(None)]
        shown += [each for place in self._opened for each in view.below(place)]
        return list({skill.name: skill for skill in shown}.values())

    async def call(self, name: str, arguments: Mapping[str, object]) -> str:
        view = _View(self.groups, await self.wrapped.skills())
        if name in view.name_to_skill:
            return await self.wrapped.call(name, arguments)
        place = view.tool_to_place.get(name)
        if place is None:
            known = [*view.name_to_skill, *view.tool_to_place]
            raise SkillNotFound(f"No skill or group {name!r}; {did_you_mean(name, known)}.")
        if arguments:
            raise SkillRefused(f"Looking into {name!r} takes no arguments, not {sorted(arguments)}.")
        self._opened[place] = None
        return _listing(view.below(place), self.listing_bytes)


class _View:
    """What of the groups is there, and under which names."""

    def __init__(self, groups: SkillGroups, offered: Iterable[Skill]) -> None:
        self.name_to_skill = {skill.name: skill for skill in offered}
        self._groups = groups
        self._id_to_skill = {skill.skill_id: skill for skill in self.name_to_skill.values()}
        self._sizes = [self._size(place) for place in range(len(groups.groups))]
        self.tool_to_place = {self._tool_name(place): place for place, size in enumerate(self._sizes) if size}

    def ungrouped(self) -> list[Skill]:
        known = self._groups.skill_id_to_place
        return [skill for skill in self._id_to_skill.values() if skill.skill_id not in known]

    def below(self, place: int | None) -> list[Skill]:
        """The groups below one as tools, or its skills."""
        groups = [self._tool(child) for child in self._groups.places_below.get(place, ()) if self._sizes[child]]
        ids = () if place is None else self._groups.groups[place].skill_ids
        return [*groups, *(self._id_to_skill[skill_id] for skill_id in ids if skill_id in self._id_to_skill)]

    def _size(self, place: int) -> int:
        return sum(skill_id in self._id_to_skill for skill_id in self._groups.all_skill_ids(place))

    def _tool_name(self, place: int) -> str:
        name = BROWSE + self._groups.groups[place].name.replace("-", "_")
        while name in self.name_to_skill:
            name += "_"
        return name

    def _tool(self, place: int) -> Skill:
        group = self._groups.groups[place]
        return Skill(
            name=self._tool_name(place),
            description=f"Shows {group.description}",
            provenance=Provenance(source="groups", sha256=NO_BYTES),
            parameters=NO_ARGUMENTS,
            kind="function",
        )


def _listing(skills: Sequence[Skill], limit_bytes: int) -> str:
    """A line each: how it is called and, as far as there is room, what it does."""
    usages = [f"{skill.name} {_usage(skill)}".rstrip() for skill in skills]
    left = limit_bytes - len("\n".join(usages).encode())
    each = left // max(len(skills), 1) - len(": ")
    if each < LEAST_DESCRIPTION_BYTES:
        return "\n".join(usages)
    lines = [
        f"{usage}: {' '.join(skill.description.split()).encode()[:each].decode('utf-8', 'ignore')}"
        for usage, skill in zip(usages, skills, strict=True)
    ]
    return "\n".join(lines)


def _usage(skill: Skill) -> str:
    properties = skill.parameters.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        return ""
    return "{" + ", ".join(f'"{name}": …' for name in properties) + "}"
