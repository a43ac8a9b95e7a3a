"""A tree of groups over skills: short lists one below the other, in place of one long list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Skills that belong together. Either other groups stand below it, or skills; never both."""

    name: str  # unique in its tree: words of A-Z a-z 0-9, joined by `-`
    description: str  # one line
    terms: tuple[str, ...]  # that tell it from its neighbours, the most telling first
    parent: int | None = None  # place of the group above, which stands before it
    skill_ids: tuple[str, ...] = ()  # the nearest to its centre first


@dataclass(frozen=True, kw_only=True)
class SkillGroups:
    """All groups of one library, each before those below it."""

    groups: tuple[Group, ...]
    centroids: Floats  # (groups, dimension), length one
    encoder: str
    content_sha256: str = ""  # of the index that they were made from

    @cached_property
    def name_to_place(self) -> Mapping[str, int]:
        return {group.name: place for place, group in enumerate(self.groups)}

    @cached_property
    def places_below(self) -> Mapping[int | None, tuple[int, ...]]:
        """The places of the groups right below each group; below None: those at the top."""
        below: dict[int | None, list[int]] = {}
        for place, group in enumerate(self.groups):
            below.setdefault(group.parent, []).append(place)
        return {parent: tuple(places) for parent, places in below.items()}

    @cached_property
    def skill_id_to_place(self) -> Mapping[str, int]:
        return {skill_id: place for place, group in enumerate(self.groups) for skill_id in group.skill_ids}

    def all_skill_ids(self, place: int) -> tuple[str, ...]:
        """Of the group and all groups below it."""
        below = self.places_below.get(place, ())
        return (*self.groups[place].skill_ids, *(each for child in below for each in self.all_skill_ids(child)))

    def path_of(self, skill_id: str) -> tuple[str, ...]:
        """Names of the groups above a skill, from the top; empty for one that is in none."""
        place = self.skill_id_to_place.get(skill_id)
        return () if place is None else tuple(self.groups[each].name for each in self._above(place))

    def nearest(self, vector: Floats, *, beam: int = 1) -> list[int]:
        """Places of the lowest groups that a walk from the top comes to, keeping the `beam` best on each level."""
        found, walk = [], list(self.places_below.get(None, ()))
        while walk:
            similarities = self.centroids[walk] @ vector
            best = [walk[place] for place in np.argsort(-similarities, kind="stable")[:beam].tolist()]
            found += [place for place in best if place not in self.places_below]
            walk = [child for place in best for child in self.places_below.get(place, ())]
        order = np.argsort(-(self.centroids[found] @ vector), kind="stable")[:beam]
        return [found[place] for place in order.tolist()]

    def lists(self) -> Iterator[Sequence[str]]:
        """Everything that somebody may have to choose from at once, by name or skill id."""
        for places in self.places_below.values():
            yield [self.groups[place].name for place in places]
        yield from (group.skill_ids for group in self.groups if group.skill_ids)

    def _above(self, place: int) -> list[int]:
        parent = self.groups[place].parent
        return [*([] if parent is None else self._above(parent)), place]
