"""Finds skills that are copies of one another, exact or nearly so, among tens of thousands of texts.

Broder, "On the resemblance and containment of documents", 1997: the resemblance of two texts is the share of their
shingles (runs of words) that they have in common, |A ∩ B| / |A ∪ B|. MinHash signatures in bands find the pairs worth
comparing; the similarity that is told is counted exactly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from skills.base import Skill
from skills.progress import Progress, no_progress
from storage.errors import InvalidInput

if TYPE_CHECKING:
    from rensa import RMinHash

SIMILARITY = 0.6  # from which on a text is called a copy
WORDS = 5  # in a shingle
PERMUTATIONS = 128  # numbers in a signature: its estimate is off by 0.043 (one standard deviation) at 0.6
BANDS = 32  # of 4 numbers: a pair of similarity s is looked at with probability 1 - (1 - s⁴)³²: 0.988 at 0.6
ESTIMATE_MARGIN = 0.17  # four standard deviations: who is estimated further below the bar is not counted exactly
MOST_COMPARED = 64  # firsts of groups that one text is compared with exactly, the likeliest first
MOST_CHARACTERS = 100_000  # of a text that are looked at
BATCH = 512  # texts between two words of progress
KEPT_SHINGLES = 1024  # texts whose shingles are kept at hand
SEED = 42

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A skill that says what the first of its group says."""

    skill_id: str
    similarity: float  # to the first of the group, up to 1
    is_exact: bool  # name and text are the same to the character


@dataclass(frozen=True, kw_only=True)
class CopyGroup:
    """The skill that came first, and its copies, in the order they came."""

    first: str
    copies: tuple[Copy, ...]

    @property
    def skill_ids(self) -> tuple[str, ...]:
        return (self.first, *(copy.skill_id for copy in self.copies))


def near_duplicates(
    skills: Sequence[Skill], *, similarity: float = SIMILARITY, on_progress: Progress = no_progress
) -> list[CopyGroup]:
    """Groups of two and more, in the order of their first skills; who has no copy is in none.

    A skill joins the group whose first is most similar to it, so that no chain of small differences ties two different
    texts together. The same skills in the same order give the same groups. Raises InvalidInput for a similarity
    outside (0, 1] and for an id that stands twice.
    """
    if not 0 < similarity <= 1:
        raise InvalidInput(f"A similarity of {similarity!r} is not above 0 and at most 1.", field="similarity")
    firsts, exact = _without_exact_copies(skills)
    copies: dict[str, list[Copy]] = {skill.skill_id: [] for skill in firsts}
    for place, leader, near in _led(firsts, similarity, on_progress):
        own, first = firsts[place].skill_id, firsts[leader].skill_id
        copies[first].append(Copy(skill_id=own, similarity=near, is_exact=False))
        copies[first] += [Copy(skill_id=copy, similarity=near, is_exact=False) for copy in exact.pop(own, ())]
    for first, same in exact.items():
        copies[first] += [Copy(skill_id=copy, similarity=1.0, is_exact=True) for copy in same]
    order = {skill.skill_id: place for place, skill in enumerate(skills)}
    return [
        CopyGroup(first=first, copies=tuple(sorted(found, key=lambda copy: order[copy.skill_id])))
        for first, found in copies.items()
        if found
    ]


def _without_exact_copies(skills: Sequence[Skill]) -> tuple[list[Skill], dict[str, list[str]]]:
    """The first skill of each name and text; and, by its id, the ids of those that repeat it."""
    text_to_first: dict[tuple[str, str], str] = {}
    firsts: list[Skill] = []
    exact: dict[str, list[str]] = {}
    seen: set[str] = set()
    for skill in skills:
        if skill.skill_id in seen:
            raise InvalidInput(f"The id {skill.skill_id!r} stands twice; each skill has its own.", field="skills")
        seen.add(skill.skill_id)
        first = text_to_first.setdefault((skill.name, skill.body or _read_text(skill)), skill.skill_id)
        if first == skill.skill_id:
            firsts.append(skill)
        else:
            exact.setdefault(first, []).append(skill.skill_id)
    return firsts, exact


def _led(skills: Sequence[Skill], similarity: float, on_progress: Progress) -> Iterator[tuple[int, int, float]]:
    """Places of a skill and of the earlier one that it copies, with their similarity."""
    from rensa import RMinHash, RMinHashLSH

    @lru_cache(KEPT_SHINGLES)
    def shingles(place: int) -> frozenset[str]:
        return frozenset(_shingles(_read_text(skills[place])))

    bands = RMinHashLSH(similarity, PERMUTATIONS, BANDS)
    leaders: dict[int, RMinHash] = {}
    for start in range(0, len(skills), BATCH):
        places = range(start, min(start + BATCH, len(skills)))
        signatures = RMinHash.from_token_sets([list(shingles(place)) for place in places], PERMUTATIONS, SEED)
        for place, signature in zip(places, signatures, strict=True):
            estimates = [(signature.jaccard(leaders[other]), -other) for other in bands.query(signature)]
            likely = sorted((e for e in estimates if e[0] >= similarity - ESTIMATE_MARGIN), reverse=True)
            near, leader = max(
                ((_resemblance(shingles(place), shingles(-other)), other) for _, other in likely[:MOST_COMPARED]),
                default=(0.0, 0),
            )
            if near >= similarity:
                yield place, -leader, near
            else:
                leaders[place] = signature
                bands.insert(place, signature)
        on_progress(places.stop, len(skills), "comparing texts")


def _read_text(skill: Skill) -> str:
    """What a model reads of the skill."""
    parameters = "" if skill.kind == "text" else json.dumps(skill.parameters, sort_keys=True, default=str)
    return f"{skill.name} {skill.description} {parameters} {skill.body}"[:MOST_CHARACTERS]


def _shingles(text: str) -> set[str]:
    words = _WORD.findall(text.lower())
    return {" ".join(words[start : start + WORDS]) for start in range(max(1, len(words) - WORDS + 1))}


def _resemblance(left: frozenset[str], right: frozenset[str]) -> float:
    common = len(left & right)
    return common / (len(left) + len(right) - common)
