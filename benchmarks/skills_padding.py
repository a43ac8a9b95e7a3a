"""Pools of any size around some skills that must be in them: first the rest of the real pool, then recombined texts.

A recombined skill has the name and description of one real skill, and a body of passages of others' bodies, each in the
place it had there. The first ones are the windows that the index has vectors of, so that every vector is that of a real
text and none has to be computed. Neither what is sought nor a near-duplicate of it lends a word.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from skills.base import Skill
from skills.index.settings import IndexSettings
from skills.near_duplicates import near_duplicates
from skills.progress import Progress, no_progress

PASSAGE = 1_000  # characters, behind the windows


@dataclass(frozen=True, kw_only=True)
class Padding:
    """What pools are filled up with, in the order in which it is used."""

    rest: Sequence[Skill]  # real skills that resemble nothing sought
    excluded: int  # real ones that do
    recombined: Sequence[Skill]


def padding(
    pool: Sequence[Skill],
    sought: Collection[str],
    *,
    size: int,
    settings: IndexSettings,
    seed: int,
    on_progress: Progress = no_progress,
) -> Padding:
    """Enough for pools of up to `size` skills. `sought`: ids that are in every pool."""
    rng = np.random.default_rng(seed)
    resembling = _resembling(pool, set(sought), on_progress)
    rest = [skill for skill in pool if skill.skill_id not in resembling and skill.skill_id not in sought]
    rest = [rest[place] for place in rng.permutation(len(rest))]
    missing = max(0, size - len(rest) - len(sought))
    return Padding(
        rest=rest, excluded=len(resembling), recombined=_recombined(rest, missing, settings, rng) if rest else ()
    )


def padded(pool: Sequence[Skill], sought: Collection[str], filling: Padding, size: int) -> list[Skill]:
    """The sought skills and as much of the filling as it takes; larger pools hold the smaller ones."""
    wanted = [skill for skill in pool if skill.skill_id in sought]
    return [*wanted, *[*filling.rest, *filling.recombined][: max(0, size - len(wanted))]]


def _resembling(pool: Sequence[Skill], sought: set[str], on_progress: Progress) -> set[str]:
    """Ids of skills, not themselves sought, that are near-duplicates of a sought one."""
    groups = near_duplicates(pool, on_progress=on_progress) if sought else ()
    found = {skill_id for group in groups if not sought.isdisjoint(group.skill_ids) for skill_id in group.skill_ids}
    return found - sought


def _recombined(rest: Sequence[Skill], count: int, settings: IndexSettings, rng: np.random.Generator) -> list[Skill]:
    """Every passage is from another body, drawn anew, and stands where it stood there."""
    size, windows = settings.window_characters, settings.windows
    lenders = [skill.body for skill in rest if len(skill.body) >= windows * size] or [skill.body for skill in rest]
    made = []
    for number in range(count):
        head = rest[int(rng.integers(len(rest)))]
        length = len(lenders[int(rng.integers(len(lenders)))])
        firsts = [*range(0, windows * size, size), *range(windows * size, length, PASSAGE)]
        lasts = [*firsts[1:], length][: len(firsts)]
        drawn = rng.integers(len(lenders), size=len(firsts)).tolist()
        passages = [lenders[place][first:last] for place, first, last in zip(drawn, firsts, lasts, strict=True)]
        made.append(replace(head, id=f"recombined-{number:06d}", body="".join(passages)))
    return made
