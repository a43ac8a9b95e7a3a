"""What there is to say of catalogued skills: of one, with its groups and near-copies; and what is wrong with all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.settings import Settings
from orchestrator.shown_skills import MOST_BODY_BYTES
from orchestrator.skill_bootstrap import index_files
from orchestrator.skill_catalog import PAGE, pages_of
from orchestrator.skill_forms import skill_of
from routing.registry import choose_encoder
from skills.base import Skill
from skills.errors import IndexRefused
from skills.progress import Progress, no_progress
from storage.skill_records import SkillMove, SkillVersion
from storage.stores import SkillFilter, SkillStore

if TYPE_CHECKING:
    from skills.groups.base import SkillGroups
    from skills.groups.confusion import ConfusionReport
    from skills.index.index import SkillIndex
    from skills.near_duplicates import CopyGroup

LONGEST_DESCRIPTION = 1024  # characters; what a description is read for fits into less
NEIGHBOURS = 20  # that a skill is compared with, when its near-copies are looked for
QUERY_CHARACTERS = 4000


@dataclass(frozen=True, kw_only=True)
class NearCopy:
    """Another skill that says nearly the same."""

    skill_id: str
    similarity: float
    is_exact: bool


@dataclass(frozen=True, kw_only=True)
class SkillReport:
    """All that is known of one skill."""

    skill: SkillVersion
    versions: tuple[SkillVersion, ...]
    moves: tuple[SkillMove, ...]
    is_indexed: bool
    groups: tuple[str, ...] = ()  # above it, from the top
    near_copies: tuple[NearCopy, ...] = ()  # among its neighbours in the index


@dataclass(frozen=True, kw_only=True)
class Defect:
    """Something about one skill that its author can mend."""

    skill_id: str
    what: str


@dataclass(frozen=True, kw_only=True)
class LibraryHealth:
    """What is wrong with the skills of an index or catalogue."""

    skills: int
    without_description: tuple[str, ...]
    over_long: tuple[Defect, ...]
    quarantined: tuple[Defect, ...]


async def skill_report(
    store: SkillStore, skill_id: str, *, version: int | None, index: SkillIndex | None, folder: Path
) -> SkillReport:
    """`folder`: of the index, where its groups are. Raises RecordNotFound, and IndexRefused for a damaged index."""
    skill = await store.get(skill_id, version=version)
    versions, moves = await store.versions_of(skill_id), await store.moves_of(skill_id)
    if index is None or skill_id not in index.arrays.id_to_row:
        return SkillReport(skill=skill, versions=tuple(versions), moves=tuple(moves), is_indexed=False)
    groups = await asyncio.to_thread(_groups_in, folder)
    return SkillReport(
        skill=skill,
        versions=tuple(versions),
        moves=tuple(moves),
        is_indexed=True,
        groups=() if groups is None else groups.path_of(skill_id),
        near_copies=await asyncio.to_thread(near_copies, index, skill_of(skill)),
    )


def near_copies(index: SkillIndex, skill: Skill) -> tuple[NearCopy, ...]:
    """Of those that a search for its own text finds."""
    from skills.near_duplicates import near_duplicates

    text = f"{skill.name} {skill.description} {skill.body}"[:QUERY_CHARACTERS]
    [search] = index.search([text], top=NEIGHBOURS)
    others = [hit.skill_id for hit in search.hits if hit.skill_id != skill.skill_id]
    groups = near_duplicates([skill, *index.skills(others)])
    return tuple(
        NearCopy(skill_id=copy.skill_id, similarity=round(copy.similarity, 4), is_exact=copy.is_exact)
        for group in groups
        if group.first == skill.skill_id
        for copy in group.copies
    )


def open_index(settings: Settings, folder: Path | None = None) -> SkillIndex:
    """The index of a folder, default: the catalogue's own, with the encoder that built it. Blocking.

    Raises IndexRefused where there is none.
    """
    from skills.index.index import SkillIndex

    place = folder or settings.skills.index_dir
    if not place.is_dir():
        raise IndexRefused(f"There is no index in {str(place)!r}.", hint="Build it: antroute skills add SOURCE")
    encoder = choose_encoder(settings.encoder, cache_dir=settings.encoder_dir).encoder
    index = index_files(settings, encoder).open(place).index
    if not isinstance(index, SkillIndex):
        raise IndexRefused(f"{str(place)!r} holds a {type(index).__name__}, not an index of skills.")
    return index


async def active_skills(store: SkillStore, *, library: str | None = None) -> list[Skill]:
    """All that agents may be shown, by id."""
    wanted = SkillFilter(library=library, state="active", limit=PAGE)
    return [skill_of(version) async for page in pages_of(store, wanted) for version in page]


async def copies_of(store: SkillStore, *, library: str | None, on_progress: Progress) -> list[CopyGroup]:
    """Duplicates and near-duplicates among the active skills."""
    from skills.near_duplicates import near_duplicates

    skills = await active_skills(store, library=library)
    return await asyncio.to_thread(near_duplicates, skills, on_progress=on_progress)


async def catalogue_health(store: SkillStore) -> LibraryHealth:
    """Of all that is not removed."""
    active = await active_skills(store)
    held = [v async for page in pages_of(store, SkillFilter(state="quarantined", limit=PAGE)) for v in page]
    quarantined = [Defect(skill_id=version.skill_id, what=version.reason or "quarantined") for version in held]
    return health_of(active, quarantined=quarantined)


def health_of(skills: Sequence[Skill], *, quarantined: Sequence[Defect] = ()) -> LibraryHealth:
    return LibraryHealth(
        skills=len(skills),
        without_description=tuple(skill.skill_id for skill in skills if not skill.description.strip()),
        over_long=tuple(defect for skill in skills for defect in _over_long(skill)),
        quarantined=tuple(quarantined),
    )


def diagnose(
    index: SkillIndex,
    folder: Path,
    *,
    queries: Path | None = None,
    examined: int,
    on_progress: Progress = no_progress,
) -> ConfusionReport:
    """Which skills take each other's queries. Blocking. Raises InvalidInput for a file that holds no queries."""
    from skills.groups.confusion import confusions
    from skills.groups.indexed import groups_of_index
    from skills.training.queries import read_queries

    groups = groups_of_index(index, folder, on_progress=on_progress)
    labelled = () if queries is None else read_queries(queries, known=index.arrays.id_to_row).queries
    longest = max(map(len, groups.lists()), default=0) if groups.groups else 0
    return confusions(index, queries=labelled, examined=examined, longest_list=longest, on_progress=on_progress)


def _groups_in(folder: Path) -> SkillGroups | None:
    from skills.groups.file import read_groups

    return read_groups(folder)


def _over_long(skill: Skill) -> list[Defect]:
    found = []
    if (length := len(skill.description)) > LONGEST_DESCRIPTION:
        what = f"description of {length} characters; {LONGEST_DESCRIPTION} are enough to choose by"
        found.append(Defect(skill_id=skill.skill_id, what=what))
    if (size := len(skill.body.encode("utf-8", "replace"))) > MOST_BODY_BYTES:
        what = f"body of {size} bytes; an agent is shown the first {MOST_BODY_BYTES}: put what matters there"
        found.append(Defect(skill_id=skill.skill_id, what=what))
    return found
