"""Finds again the groups of an earlier time, by the skills that they share with the new ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from skills.groups.base import Floats, SkillGroups

LEAST_OVERLAP = 0.3  # of two groups' skills, |A ∩ B| / |A ∪ B|, for them to be one and the same


class FormerGroups:
    """The groups that were there before."""

    def __init__(self, groups: SkillGroups) -> None:
        self._groups = groups
        members = [groups.all_skill_ids(place) for place in range(len(groups.groups))]
        self._sizes = [len(skill_ids) for skill_ids in members]
        self._id_to_places: dict[str, list[int]] = {}
        for place, skill_ids in enumerate(members):
            for skill_id in skill_ids:
                self._id_to_places.setdefault(skill_id, []).append(place)

    def nearest(self, skill_ids: Sequence[str]) -> int | None:
        """The place of the group that has most in common with these skills."""
        return min(self._overlaps(skill_ids), default=(0.0, None))[1]

    def centroids_below(self, place: int | None, dimension: int) -> Floats | None:
        """Of the groups right below one, or at the top; None where there are none, or of another dimension."""
        below = self._groups.places_below.get(place, ())
        return self._groups.centroids[list(below)] if below and self._groups.centroids.shape[1] == dimension else None

    def names(self, members: Iterable[Sequence[str]]) -> dict[int, str]:
        """By place among `members` the name of the former group that it overlaps with most, each name once."""
        pairs = [(less, place, old) for place, ids in enumerate(members) for less, old in self._overlaps(ids)]
        kept: dict[int, str] = {}
        given: set[int] = set()
        for _, place, old in sorted(pairs):
            if place not in kept and old not in given:
                kept[place] = self._groups.groups[old].name
                given.add(old)
        return kept

    def _overlaps(self, skill_ids: Sequence[str]) -> list[tuple[float, int]]:
        """Minus the overlap, and the place, of all groups that overlap enough."""
        common = Counter(place for skill_id in skill_ids for place in self._id_to_places.get(skill_id, ()))
        overlaps = [(-both / (len(skill_ids) + self._sizes[old] - both), old) for old, both in common.items()]
        return [(less, old) for less, old in overlaps if -less >= LEAST_OVERLAP]
