"""What past queries say of each candidate: twelve features, and candidates that the first stage would not find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from skills.ranking.base import Floats, QueryTerms, Rows, SkillArrays
from skills.ranking.past_queries import Numbers, PastQueries, Votes, Words
from skills.ranking.skill_head import SkillHead

FEATURES = (
    "memory votes",
    "memory votes of the best's",
    "memory voted together",
    "memory votes by words",
    "memory best similarity",
    "memory best three",
    "memory head",
    "memory head, log",
    "memory similarity of nearest",
    "memory entropy of votes",
    "memory past queries, log",
    "memory rank by votes, reciprocal",
)
PROPOSED = 20  # skills that the votes propose, and as many by the head
LEAST_WARM = 0.5  # of the pool's skills that need past queries, or the memory is left aside
LEAST_PROBABILITY = 1e-5  # in logarithms
RANK_OFFSET = 5
UNKNOWN = -1


@dataclass(frozen=True, kw_only=True)
class SkillKey:
    """Which skill is meant, whatever its row: that of this id and name, else that of this text."""

    skill_id: str
    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Bound:
    """A memory's skills in one open index."""

    rows: Rows  # of each of the memory's skills; UNKNOWN: not in the index
    places: Numbers  # of each row among the memory's skills; UNKNOWN: a skill without past queries
    warm: float  # share of the index's skills that have past queries


class QueryMemory:
    """Safe to share among threads."""

    def __init__(self, skills: Sequence[SkillKey], past: PastQueries, head: SkillHead) -> None:
        self.skills = tuple(skills)
        self.past = past
        self.head = head
        self._bound: WeakKeyDictionary[SkillArrays, Bound] = WeakKeyDictionary()

    def bound(self, index: SkillArrays) -> Bound:
        """Found once for each open index."""
        known = self._bound.get(index)
        if known is None:
            known = self._bound[index] = bind(self.skills, self.past.asked, index)
        return known

    def is_active(self, index: SkillArrays) -> bool:
        return self.bound(index).warm >= LEAST_WARM

    def read(
        self, queries: Sequence[QueryTerms], vectors: Floats, *, excluded: Numbers | None = None
    ) -> list[tuple[Votes, Floats]]:
        """Of each query the votes and the head's probabilities, over the memory's skills."""
        words: list[Words] = [self.past.words(query.stems, query.stem_counts) for query in queries]
        votes = self.past.votes(vectors, words, excluded=excluded)
        return list(zip(votes, self.head.probabilities(vectors, words), strict=True))

    def proposed(self, votes: Votes, probabilities: Floats, bound: Bound) -> Rows:
        """Rows that past queries speak for, ascending."""
        here = bound.rows != UNKNOWN
        by_votes = np.argsort(-np.where(here, votes.votes, 0), kind="stable")[:PROPOSED]
        by_head = np.argsort(-np.where(here, probabilities, 0), kind="stable")[:PROPOSED]
        places = np.concatenate([by_votes[votes.votes[by_votes] > 0], by_head])
        return np.unique(bound.rows[places[here[places]]])

    def features(self, votes: Votes, probabilities: Floats, rows: Rows, bound: Bound) -> Floats:
        """(candidates, twelve)."""
        place = bound.places[rows]
        is_known = place != UNKNOWN

        def of(values: Floats, otherwise: float = 0.0) -> Floats:
            return np.where(is_known, values[place], np.float32(otherwise))

        ranks = np.empty(len(votes.votes), dtype=np.float32)
        ranks[np.argsort(-votes.votes, kind="stable")] = np.arange(len(votes.votes))
        ones = np.ones(len(rows), dtype=np.float32)
        head = of(probabilities)
        columns = [
            of(votes.votes),
            of(votes.votes / max(float(votes.votes.max(initial=0)), 1e-6)),
            of(votes.together),
            of(votes.word_votes),
            of(votes.best),
            of(votes.best_three),
            head,
            np.log(head + np.float32(LEAST_PROBABILITY)),
            ones * np.float32(votes.similarity),
            ones * np.float32(votes.entropy),
            of(np.log1p(self.past.asked).astype(np.float32)),
            of(np.float32(1) / (RANK_OFFSET + ranks), 1 / (RANK_OFFSET + len(ranks))),
        ]
        return np.stack(columns, axis=1).astype(np.float32)


def bind(skills: Sequence[SkillKey], asked: Numbers, index: SkillArrays) -> Bound:
    """`asked`: past queries of each of the memory's skills."""
    digest_to_row = {index.cards[row].sha256: row for row in sorted(index.id_to_row.values(), reverse=True)}
    rows = np.full(len(skills), UNKNOWN, dtype=np.int64)
    for place, key in enumerate(skills):
        row = index.id_to_row.get(key.skill_id, UNKNOWN)
        if row == UNKNOWN or index.cards[row].name != key.name:
            row = digest_to_row.get(key.sha256, UNKNOWN)
        rows[place] = row
    places = np.full(len(index.cards), UNKNOWN, dtype=np.int64)
    used = np.flatnonzero((rows != UNKNOWN) & (asked > 0))
    places[rows[used][::-1]] = used[::-1]  # of two that say the same, the first
    return Bound(rows=rows, places=places, warm=float((places != UNKNOWN).sum()) / max(index.count, 1))


def key_of(index: SkillArrays, row: int) -> SkillKey:
    card = index.cards[row]
    return SkillKey(skill_id=card.skill_id, name=card.name, sha256=card.sha256)
