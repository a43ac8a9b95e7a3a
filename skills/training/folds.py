"""Which skills say the same, and which part of the pool each falls into when some are held out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skills.base import Skill
from skills.near_duplicates import near_duplicates
from skills.progress import Progress, no_progress

Numbers = NDArray[np.int64]
SAME_WORDS = 80  # characters of a description that tell it from others


def copy_groups(skills: Sequence[Skill], *, on_progress: Progress = no_progress) -> Numbers:
    """(skills,): the same number for skills of one name, of one description or of nearly one text."""
    parent = np.arange(len(skills))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = int(parent[place])
        return place

    def join(left: int, right: int) -> None:
        first, second = sorted((root(left), root(right)))
        parent[second] = first

    seen: dict[tuple[str, str], int] = {}
    for place, skill in enumerate(skills):
        for what, said in (("name", skill.name), ("description", skill.description.strip()[:SAME_WORDS])):
            if said:
                join(seen.setdefault((what, said.casefold()), place), place)
    place_of = {skill.skill_id: place for place, skill in enumerate(skills)}
    for group in near_duplicates(skills, on_progress=on_progress):
        for copy in group.copies:
            join(place_of[group.first], place_of[copy.skill_id])
    return np.array([root(place) for place in range(len(skills))], dtype=np.int64)


def folds_of(groups: Numbers, count: int, *, seed: int) -> Numbers:
    """(skills,): a fold from 0 each; all of a group in one."""
    names, inverse = np.unique(groups, return_inverse=True)
    drawn = np.random.default_rng(seed).permutation(len(names)) % count
    found: Numbers = drawn[inverse]
    return found
