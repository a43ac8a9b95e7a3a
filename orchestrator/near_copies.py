"""Tells of which catalogued skills the new ones are near copies: compared with what a search finds for their texts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.found_skills import SkillIndex
from orchestrator.skill_forms import skill_of
from skills.base import Skill
from storage.errors import ServiceError
from storage.stores import SkillStore

MOST_NEW = 50  # skills that are compared at once: some seconds
HITS = 10  # of each search
QUERY_CHARACTERS = 1_000  # of a text that are searched for
ASK = "`antroute skills copies` compares all with all."


@dataclass(frozen=True, kw_only=True)
class NearCopy:
    """A new skill that says what another one says."""

    skill_id: str
    of: str  # id of the other one
    similarity: float  # of their texts, up to 1: the share of runs of five words that they have in common
    is_exact: bool  # name and text are the same to the character


@dataclass(frozen=True, kw_only=True)
class NearCopies:
    copies: tuple[NearCopy, ...] = ()
    left_out: str = ""  # why not all was looked at, in words


async def near_copies(index: SkillIndex, store: SkillStore, new: Sequence[str]) -> NearCopies:
    """Of the new ids, compared with what is found in the index and with each other; no more than MOST_NEW.

    Never raises a ServiceError: what is new has been added, and what was not compared is told.
    """
    left_out = f"Only {MOST_NEW} of {len(new)} new skills were compared; {ASK}" if len(new) > MOST_NEW else ""
    try:
        copies = await _copies(index, store, new[:MOST_NEW])
    except ServiceError as error:
        return NearCopies(left_out=f"Near copies were not looked for: {error}")
    return NearCopies(copies=copies, left_out=left_out)


async def _copies(index: SkillIndex, store: SkillStore, new: Sequence[str]) -> tuple[NearCopy, ...]:
    if not new:
        return ()
    given = {version.skill_id: skill_of(version) for version in (await store.get_many(new)).values()}
    searcher = await index.current()
    searches = await asyncio.to_thread(searcher.search, [_text(skill) for skill in given.values()], top=HITS)
    hits = dict.fromkeys(hit.skill_id for search in searches for hit in search.hits if hit.skill_id not in given)
    others = [skill_of(version) for version in (await store.get_many(list(hits))).values()]
    return await asyncio.to_thread(_compared, others, list(given.values()))


def _compared(others: Sequence[Skill], new: Sequence[Skill]) -> tuple[NearCopy, ...]:
    """The others come first, so that they are what the new ones are copies of."""
    from skills.near_duplicates import near_duplicates

    ids = {skill.skill_id for skill in new}
    return tuple(
        NearCopy(skill_id=copy.skill_id, of=group.first, similarity=copy.similarity, is_exact=copy.is_exact)
        for group in near_duplicates([*others, *new])
        for copy in group.copies
        if copy.skill_id in ids
    )


def _text(skill: Skill) -> str:
    return f"{skill.name} {skill.description} {skill.body}"[:QUERY_CHARACTERS]
