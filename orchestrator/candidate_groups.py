"""Groups for candidates that name more skills than anybody can choose from at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from orchestrator.settings import MOST_SHOWN_SKILLS
from skills.base import Skill, SkillLibrary
from skills.encoder import Encoder
from skills.wrappers import FilteredLibrary
from storage.records import Candidate

if TYPE_CHECKING:
    from skills.groups.base import SkillGroups

MOST_FLAT = 50  # named skills that are shown as they are
LOOKING_AGENTS = frozenset({"tool_loop"})  # others read or call what they are shown at first, and nothing else


async def candidate_groups(
    candidates: Iterable[Candidate], library: SkillLibrary, encoder: Encoder
) -> dict[str, SkillGroups]:
    """By candidate's id, of those that name more than MOST_FLAT skills and whose agent can look into groups.

    Raises what the encoder raises.
    """
    found = {}
    for candidate in candidates:
        if len(candidate.skills) > MOST_FLAT and candidate.agent in LOOKING_AGENTS:
            named = await FilteredLibrary(library, candidate.skills).skills()
            found[candidate.id] = await asyncio.to_thread(_grouped, named, encoder)
    return found


def grouped(library: SkillLibrary, groups: SkillGroups | None) -> SkillLibrary:
    """The library as its groups, for one run; as it is where it has none."""
    if groups is None:
        return library
    from skills.groups.library import GroupedLibrary

    return GroupedLibrary(library, groups)


def _grouped(skills: Sequence[Skill], encoder: Encoder) -> SkillGroups:
    from skills.groups.building import build_groups

    vectors = encoder.encode([f"{skill.name}: {skill.description}" for skill in skills])
    return build_groups(skills, vectors, encoder=encoder.name, most_listed=MOST_SHOWN_SKILLS)
