"""Finds skills that take each other's queries, and says which words would keep them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from skills.base import Skill, SkillSearch
from skills.groups.expectation import ExpectedAccuracy, expected_accuracy
from skills.groups.indexed import head_vectors, indexed_skills
from skills.groups.questions import questions_of
from skills.groups.wording import IndexIdf, WordingReader
from skills.index.index import SkillIndex
from skills.near_duplicates import CopyGroup, near_duplicates
from skills.progress import Progress, no_progress
from skills.training.queries import LabelledQuery

QUERIES_AT_ONCE = 64
EXAMINED = 2_000  # skills; of a larger library every so manieth
TOLD = 500  # pairs
EXAMPLES = 2  # of lost queries that are told


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """One skill takes queries that another one should win."""

    skill_id: str  # who loses
    name: str
    other_id: str  # who wins
    other_name: str
    queries: int  # of the loser's that were asked
    stolen: int
    similarity: float  # cosine of the two names and descriptions
    shared_words: tuple[str, ...]
    telling_words: tuple[str, ...]  # that the loser should say in its description
    examples: tuple[str, ...]  # lost queries

    @property
    def stolen_share(self) -> float:
        return self.stolen / self.queries

    @property
    def advice(self) -> str:
        if not self.telling_words:
            return f"nothing in its text tells {self.name!r} from {self.other_name!r}: join them, or remove one"
        words = ", ".join(repr(word) for word in self.telling_words)
        return f"say {words} in the description of {self.name!r}"


@dataclass(frozen=True, kw_only=True)
class ConfusionReport:
    """How well the skills of an index are told apart."""

    skills: int
    examined: int
    queries: int
    own: int  # queries that the skill itself or a copy of it won
    confusions: tuple[Confusion, ...]  # the most queries taken first, at most TOLD
    copies: tuple[CopyGroup, ...]
    expected: ExpectedAccuracy

    @property
    def lost_share(self) -> float:
        """Mean confusability: the share of a skill's own queries that another one, no copy of it, wins."""
        return 1 - self.own / self.queries if self.queries else 0.0


@dataclass(frozen=True, kw_only=True)
class _Question:
    """A text and who may win it, the one that it is asked for first."""

    text: str
    skill_ids: tuple[str, ...]


@dataclass(kw_only=True)
class _Asked:
    """What is asked on behalf of one skill, and who won it."""

    count: int = 0
    lost_to: dict[str, list[str]] = field(default_factory=dict)  # winner's id to queries


def confusions(
    index: SkillIndex,
    *,
    queries: Sequence[LabelledQuery] = (),
    examined: int = EXAMINED,
    longest_list: int = 0,
    on_progress: Progress = no_progress,
) -> ConfusionReport:
    """Asks the index what its skills say of themselves, and the `queries`; blocking, some milliseconds a query.

    `examined`: at most so many skills are asked for, spread over all; every one may win. `longest_list`: of groups,
    where there are some, for what is expected of a choice by groups. A query counts for the first of its skills that
    is in the index. Near-copies do not take queries from each other; they are told apart.
    """
    skills = indexed_skills(index)
    copies = near_duplicates(skills, on_progress=on_progress)
    id_to_first = {skill_id: group.first for group in copies for skill_id in group.skill_ids}
    asked = _questions(skills, queries, examined)
    id_to_asked: dict[str, _Asked] = {}
    own = 0
    for question, winner in zip(asked, _winners(index, asked, on_progress), strict=True):
        one = id_to_asked.setdefault(question.skill_ids[0], _Asked())
        one.count += 1
        accepted = {id_to_first.get(skill_id, skill_id) for skill_id in question.skill_ids}
        if winner is None or id_to_first.get(winner, winner) in accepted:
            own += winner is not None
        else:
            one.lost_to.setdefault(winner, []).append(question.text)
    found = _confusions(index, skills, id_to_asked)
    lost = 1 - own / len(asked) if asked else 0.0
    return ConfusionReport(
        skills=len(skills),
        examined=len(id_to_asked),
        queries=len(asked),
        own=own,
        confusions=tuple(found),
        copies=tuple(copies),
        expected=expected_accuracy(len(skills), lost, longest_list=longest_list),
    )


def _questions(skills: Sequence[Skill], queries: Sequence[LabelledQuery], examined: int) -> list[_Question]:
    known = {skill.skill_id for skill in skills}
    step = max(1, -(-len(skills) // examined))
    asked = [_Question(text=text, skill_ids=(one.skill_id,)) for one in skills[::step] for text in questions_of(one)]
    for query in queries:
        ids = tuple(skill_id for needed in query.gold for skill_id in needed if skill_id in known)
        if ids and query.text.strip():
            asked.append(_Question(text=query.text, skill_ids=ids))
    return asked


def _winners(index: SkillIndex, asked: Sequence[_Question], on_progress: Progress) -> Iterator[str | None]:
    for first in range(0, len(asked), QUERIES_AT_ONCE):
        texts = [question.text for question in asked[first : first + QUERIES_AT_ONCE]]
        yield from map(_winner, index.search(texts, top=1))
        on_progress(first + len(texts), len(asked), "asking the index")


def _winner(search: SkillSearch) -> str | None:
    return search.hits[0].skill_id if search.hits else None


def _confusions(index: SkillIndex, skills: Sequence[Skill], id_to_asked: Mapping[str, _Asked]) -> list[Confusion]:
    by_id = {skill.skill_id: skill for skill in skills}
    taken = Counter(
        {
            (skill_id, winner): len(texts)
            for skill_id, one in id_to_asked.items()
            for winner, texts in one.lost_to.items()
        }
    )
    arrays = index.arrays
    reader = WordingReader(IndexIdf(arrays.terms, arrays.vocabulary.numbers_of, arrays.count))
    found = []
    for (skill_id, winner), stolen in sorted(taken.items(), key=lambda item: (-item[1], item[0]))[:TOLD]:
        skill, other, one = by_id[skill_id], by_id[winner], id_to_asked[skill_id]
        vectors = head_vectors(index, [skill, other])
        wording = reader.compare(skill, other)
        found.append(
            Confusion(
                skill_id=skill_id,
                name=skill.name,
                other_id=winner,
                other_name=other.name,
                queries=one.count,
                stolen=stolen,
                similarity=round(float(np.dot(vectors[0], vectors[1])), 4),
                shared_words=wording.shared,
                telling_words=wording.telling,
                examples=tuple(one.lost_to[winner][:EXAMPLES]),
            )
        )
    return sorted(found, key=lambda pair: (-pair.stolen, -pair.stolen_share, pair.skill_id, pair.other_id))
