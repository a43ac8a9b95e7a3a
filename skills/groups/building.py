"""Groups skills by the vectors of their heads, into lists that are never long; again and again in the same way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skills.base import Skill
from skills.groups.base import Floats, Group, SkillGroups
from skills.groups.clustering import clusters, means
from skills.groups.former import FormerGroups
from skills.groups.naming import TermReader, Terms, group_description, group_name, telling_terms
from skills.progress import Progress, no_progress
from storage.errors import InvalidInput

MOST_LISTED = 50  # of a list that somebody chooses from: the knee of selection lies not far above (arXiv 2601.04748)
LIST_FILL = 0.9  # of it that are planned for: clusters are of unequal size
MOST_DRIFT = 0.2  # of the number of groups that would be right, before all is grouped anew
EXAMPLES = 2
SEED = 7

Rows = NDArray[np.int64]


def build_groups(
    skills: Sequence[Skill],
    vectors: Floats,
    *,
    encoder: str,
    content_sha256: str = "",
    former: SkillGroups | None = None,
    most_listed: int = MOST_LISTED,
    on_progress: Progress = no_progress,
) -> SkillGroups:
    """About √n groups, or two levels of about ∛n where their lists would be longer than `most_listed`, and so on.

    `vectors` (skills, dimension): of each skill's name and description, length one or zero. `former`: groups of an
    earlier time, whose centres are begun with and whose names are kept where the skills are much the same. Of
    `most_listed` skills and fewer there are no groups. Raises InvalidInput for vectors of other skills.
    """
    if len(vectors) != len(skills):
        raise InvalidInput(f"{len(vectors)} vectors for {len(skills)} skills; one each would be right.", field="skills")
    if most_listed < 3:
        raise InvalidInput(f"most_listed is {most_listed!r}; at least 3 would be right.", field="most_listed")
    order = np.array(sorted(range(len(skills)), key=lambda row: skills[row].skill_id), dtype=np.int64)
    tree = _Tree(skills, vectors.astype(np.float32), former, most_listed, on_progress)
    tree.part(order, None)
    return tree.built(encoder, content_sha256)


@dataclass(kw_only=True)
class _Node:
    """A group before it has its name."""

    parent: int | None
    rows: Rows  # of all its skills
    terms: tuple[str, ...]
    centroid: Floats
    has_groups: bool = False


class _Tree:
    """Grows from the top."""

    def __init__(
        self,
        skills: Sequence[Skill],
        vectors: Floats,
        former: SkillGroups | None,
        most_listed: int,
        on_progress: Progress,
    ) -> None:
        self.nodes: list[_Node] = []
        self._skills = skills
        self._vectors = vectors
        self._former = None if former is None else FormerGroups(former)
        self._most = most_listed
        self._on_progress = on_progress
        self._done = 0
        reader = TermReader()
        self._terms: list[Terms] = [reader.terms(skill) for skill in skills]

    def part(self, rows: Rows, parent: int | None) -> None:
        """Parts the rows into groups, and these too, until no list is too long."""
        count, most = _shape(len(rows), self._most)
        if count == 1:
            self._done += len(rows)
            self._on_progress(self._done, len(self._skills), "grouping skills")
            return
        if parent is not None:
            self.nodes[parent].has_groups = True
        start = self._start(rows, parent, count, most)
        count = count if start is None else len(start)
        labels = clusters(self._vectors[rows], count, most=most, seed=SEED, start=start)
        parts = [rows[labels == label] for label in range(int(labels.max()) + 1)]
        telling = telling_terms([[self._terms[row] for row in part.tolist()] for part in parts])
        first = len(self.nodes)
        for part, terms in zip(parts, telling, strict=True):
            centre = means(self._vectors[part], np.zeros(len(part), dtype=np.int64), self._vectors[part[:1]])[0]
            self.nodes.append(_Node(parent=parent, rows=part, terms=terms, centroid=centre))
        for place, part in enumerate(parts, start=first):
            self.part(part, place)

    def built(self, encoder: str, content_sha256: str) -> SkillGroups:
        members = [self._ids(node.rows) for node in self.nodes]
        kept = {} if self._former is None else self._former.names(members)
        taken = set(kept.values())
        groups = []
        for place, node in enumerate(self.nodes):
            near = node.rows[np.argsort(-(self._vectors[node.rows] @ node.centroid), kind="stable")]
            name = kept.get(place) or group_name(node.terms, taken)
            taken.add(name)
            examples = list(dict.fromkeys(self._skills[row].name for row in near.tolist()))[:EXAMPLES]
            groups.append(
                Group(
                    name=name,
                    description=group_description(node.terms, len(near), examples),
                    terms=node.terms,
                    parent=node.parent,
                    skill_ids=() if node.has_groups else self._ids(near),
                )
            )
        dimension = self._vectors.shape[1]
        centroids = np.array([node.centroid for node in self.nodes], dtype=np.float32).reshape(-1, dimension)
        return SkillGroups(groups=tuple(groups), centroids=centroids, encoder=encoder, content_sha256=content_sha256)

    def _ids(self, rows: Rows) -> tuple[str, ...]:
        return tuple(self._skills[row].skill_id for row in rows.tolist())

    def _start(self, rows: Rows, parent: int | None, count: int, most: int) -> Floats | None:
        """The centres that these groups had, where there were about as many and all still have room."""
        if self._former is None:
            return None
        place = None if parent is None else self._former.nearest(self._ids(rows))
        if parent is not None and place is None:
            return None
        start = self._former.centroids_below(place, self._vectors.shape[1])
        is_near = start is not None and abs(len(start) - count) <= MOST_DRIFT * count and len(start) <= self._most
        return start if start is not None and is_near and len(start) * most >= len(rows) else None


def _shape(rows: int, most_listed: int) -> tuple[int, int]:
    """Into how many groups to part, and how many skills each may have; one: it is a list that is short enough."""
    if rows <= most_listed:
        return 1, most_listed
    planned = max(2, int(most_listed * LIST_FILL))
    lists = 2  # one below the other, the last one of skills
    while planned**lists < rows:
        lists += 1
    count = math.ceil(round(rows ** (1 / lists), 9))
    return count, most_listed if lists == 2 else planned ** (lists - 1)
