"""The groups of an index: made from the vectors that it holds, kept in its folder, made anew once it has changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skills.base import Skill
from skills.groups.base import Floats, SkillGroups
from skills.groups.building import MOST_LISTED, build_groups
from skills.groups.file import read_groups, write_groups
from skills.index.index import SkillIndex
from skills.progress import Progress, no_progress

ROWS_AT_ONCE = 1000


def groups_of_index(
    index: SkillIndex, folder: Path, *, again: bool = False, on_progress: Progress = no_progress
) -> SkillGroups:
    """Those in the folder where they are of this index's content, else new ones, which are then kept there.

    `again`: without regard to what is there, so that no former name is kept. No groups where there are no more than
    MOST_LISTED skills. Raises IndexRefused.
    """
    former = None if again else read_groups(folder)
    content = index.manifest.content_sha256
    if former is not None and former.content_sha256 == content:
        return former
    skills = indexed_skills(index)
    groups = build_groups(
        skills,
        head_vectors(index, skills),
        encoder=index.encoder_name,
        content_sha256=content,
        former=None if former is None or former.encoder != index.encoder_name else former,
        most_listed=MOST_LISTED,
        on_progress=on_progress,
    )
    write_groups(folder, groups)
    return groups


def indexed_skills(index: SkillIndex) -> list[Skill]:
    """All that can be found, by id."""
    return index.skills(sorted(index.arrays.id_to_row))


def head_vectors(index: SkillIndex, skills: list[Skill]) -> Floats:
    """(skills, dimension): of name and description, as the index holds them."""
    rows = np.array([index.arrays.id_to_row[skill.skill_id] for skill in skills], dtype=np.int64)
    heads = np.zeros((len(rows), index.manifest.dimension), dtype=np.float32)
    for first in range(0, len(rows), ROWS_AT_ONCE):
        heads[first : first + ROWS_AT_ONCE] = index.arrays.vectors.of(rows[first : first + ROWS_AT_ONCE])[:, 0]
    return heads
