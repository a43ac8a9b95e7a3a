"""Candidates of training queries as the first stage finds them, with their features: what trees learn the order of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skills.index.opened import Opened
from skills.index.retrieval import Known, retrieve
from skills.index.settings import SearchSettings
from skills.index.words import LearnedVectors, as_file
from skills.progress import Progress, no_progress
from skills.ranking.base import Floats, QueryTerms, Retrieved, Rows, SkillArrays
from skills.ranking.features import FEATURES, text_features
from skills.ranking.learned_words import LearnedWords
from skills.ranking.past_queries import Votes
from skills.ranking.query_memory import FEATURES as MEMORY_FEATURES
from skills.ranking.query_memory import Bound, QueryMemory
from skills.training.folds import Numbers
from skills.training.measures import Needed
from skills.training.pool_words import PoolWords, QueryWords
from skills.training.queries import LabelledQuery

AT_ONCE = 64
CANDIDATES = 100
KEPT = 60  # candidates of a list that are learned from
KEPT_BESIDE_MEMORY = 40  # where there are those, too, that past queries speak for
SPOKEN_FOR = ("memory votes", "memory head")
LEAST_HEAD = 0.005


@dataclass(frozen=True, kw_only=True)
class Pool:
    """A pool's index and the queries to learn from; by row and by place."""

    opened: Opened
    groups: Numbers  # (skills,): those that say the same have the same number
    queries: Sequence[LabelledQuery]
    needed: Sequence[Needed]
    vectors: Floats  # (queries, dimension)
    query_mean: Floats  # (dimension,): what queries have in common
    query_words: Sequence[QueryWords]
    words: PoolWords


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The words' part in the first stage."""

    words: LearnedWords
    vectors: LearnedVectors  # of the skills

    @classmethod
    def of(cls, words: LearnedWords, pool: PoolWords, folder: Path) -> Stage:
        """The skills' vectors are kept in the folder, as an index keeps them. Raises OSError."""
        path = folder / f"{words.sha256}.npy"
        found = words.skill_vectors(pool.fields, words.places(pool.digests))
        path.write_bytes(as_file([found.astype(np.float16)]))
        return cls(words=words, vectors=LearnedVectors(path))


class MemoryView:
    """A memory as it would be if some queries had not been asked: a `Proposer` that remembers what it read."""

    def __init__(self, memory: QueryMemory, bound: Bound, excluded: Numbers) -> None:
        """`excluded`: of each training query its own place in the memory, UNKNOWN where it is not there."""
        self._memory = memory
        self._bound = bound
        self._excluded = excluded
        self._asked: Numbers = np.zeros(0, dtype=np.int64)
        self.said: list[tuple[Votes, Floats]] = []

    def about(self, places: Numbers) -> None:
        """The training queries that come next."""
        self._asked = places

    def propose(self, queries: Sequence[QueryTerms], vectors: Floats, index: SkillArrays) -> list[Rows]:
        self.said = self._memory.read(queries, vectors, excluded=self._excluded[self._asked])
        return [self._memory.proposed(*said, self._bound) for said in self.said]

    def features(self, number: int, rows: Rows) -> Floats:
        """Of the query of this number among those asked last."""
        return self._memory.features(*self.said[number], rows, self._bound)


@dataclass(frozen=True, kw_only=True)
class Lists:
    """Candidates of many queries, one list after the other."""

    places: Numbers  # (lists,): the training query of each
    sizes: Numbers  # (lists,)
    rows: Rows  # (candidates,)
    features: Floats  # (candidates, features)
    labels: NDArray[np.int8]  # (candidates,): 1 where it answers a need
    is_learned: NDArray[np.bool_]  # (candidates,): False for what may be as good as a right one, and for the far ones


class Miner:
    """Finds and describes candidates of training queries."""

    def __init__(self, pool: Pool, stage: Stage, view: MemoryView | None = None) -> None:
        self._pool = pool
        self._stage = stage
        self._view = view
        self._number = 0
        self.width = len(FEATURES) + (0 if view is None else len(MEMORY_FEATURES))

    def is_near(self, described: Floats) -> NDArray[np.bool_]:
        """Candidates worth learning from: those that stand first, and those that past queries speak for."""
        near = np.arange(len(described)) < KEPT
        if self._view is not None:
            votes, head = (described[:, len(FEATURES) + MEMORY_FEATURES.index(name)] for name in SPOKEN_FOR)
            near[KEPT_BESIDE_MEMORY:] = False
            near |= (votes > 0) | (head > LEAST_HEAD)
        return near

    def found(self, places: Numbers) -> Iterator[tuple[int, Retrieved, Floats]]:
        """Place, candidates of the first stage, and features; queries that nothing was found for are left out."""
        for first in range(0, len(places), AT_ONCE):
            some = places[first : first + AT_ONCE]
            for number, found in enumerate(self._retrieved(some)):
                self._number = number
                if len(found.rows):
                    yield int(some[number]), found, self.described(found)

    def described(self, found: Retrieved) -> Floats:
        """(candidates, features), of the query that was found last."""
        described = text_features(found)
        if self._view is None:
            return described
        return np.hstack([described, self._view.features(self._number, found.rows)])

    def _retrieved(self, places: Numbers) -> list[Retrieved]:
        chosen = places.tolist()
        texts = [self._pool.queries[place].text for place in chosen]
        if self._view is not None:
            self._view.about(places)
        self._pool.opened.words = self._stage.vectors
        known = Known(words=self._stage.words, query_mean=self._pool.query_mean, proposer=self._view)
        return retrieve(
            self._pool.opened, texts, self._pool.vectors[places], SearchSettings(), candidates=CANDIDATES, known=known
        )


def lists_of(
    pool: Pool,
    miner: Miner,
    places: Numbers,
    *,
    whole: bool = False,
    on_progress: Progress = no_progress,
    what: str = "finding candidates",
) -> Lists:
    """Of the queries at these places. `whole`: with the candidates that are not learned from."""
    kept_places: list[int] = []
    parts: list[tuple[Rows, Floats, NDArray[np.bool_], NDArray[np.bool_]]] = []
    for done, (place, found, described) in enumerate(miner.found(places), start=1):
        answers: frozenset[int] = frozenset().union(*pool.needed[place])
        label = np.array([row in answers for row in found.rows.tolist()])
        # a right one from afar would teach that afar is right: no wrong one from there is in the list
        learned = (label | _is_wrong(found.rows, label, pool.groups, answers)) & miner.is_near(described)
        some = np.ones(len(label), dtype=bool) if whole else learned
        kept_places.append(place)
        parts.append((found.rows[some], described[some], label[some], learned[some]))
        if done % AT_ONCE == 0:
            on_progress(done, len(places), what)
    on_progress(len(places), len(places), what)
    nothing = (np.zeros(0, dtype=np.int64), np.zeros((0, miner.width), dtype=np.float32), np.zeros(0), np.zeros(0))
    rows, features, labels, learned_ = (
        np.concatenate([nothing[column], *(part[column] for part in parts)]) for column in range(4)
    )
    return Lists(
        places=np.array(kept_places, dtype=np.int64),
        sizes=np.array([len(part[0]) for part in parts], dtype=np.int64),
        rows=rows.astype(np.int64),
        features=features.astype(np.float32, copy=False),
        labels=labels.astype(np.int8),
        is_learned=learned_.astype(bool),
    )


def beside(lists: Sequence[Lists]) -> Lists:
    """One after the other; of one list or more."""
    return Lists(**{field.name: np.concatenate([getattr(one, field.name) for one in lists]) for field in fields(Lists)})


def learned_part(lists: Lists) -> Lists:
    """Lists with a right candidate, with the candidates that are learned from."""
    owners = np.repeat(np.arange(len(lists.sizes)), lists.sizes)
    answered = np.bincount(owners, lists.labels, minlength=len(lists.sizes)) > 0
    kept = lists.is_learned & answered[owners]
    return Lists(
        places=lists.places[answered],
        sizes=np.bincount(owners[kept], minlength=len(lists.sizes))[answered],
        rows=lists.rows[kept],
        features=lists.features[kept],
        labels=lists.labels[kept],
        is_learned=np.ones(int(kept.sum()), dtype=bool),
    )


def orders_of(lists: Lists, scores: Floats | None) -> dict[int, Rows]:
    """Of each query's place its rows, best first; ties, and all if there are no scores, as the first stage has them."""
    found = {}
    for place, size, end in zip(lists.places.tolist(), lists.sizes.tolist(), np.cumsum(lists.sizes), strict=True):
        own = slice(int(end) - size, int(end))
        rows = lists.rows[own]
        found[place] = rows if scores is None else rows[np.argsort(-scores[own], kind="stable")]
    return found


def without(found: Retrieved, gone: NDArray[np.bool_]) -> Retrieved:
    """As if these candidates were not in the pool."""
    kept = ~gone
    return replace(
        found,
        rows=found.rows[kept],
        lexical=found.lexical[kept],
        dense=found.dense[kept],
        similarities=found.similarities[kept],
        fused=found.fused[kept],
        field_counts={name: counts[kept] for name, counts in found.field_counts.items()},
        learned=None if found.learned is None else found.learned[kept],
    )


def _is_wrong(rows: Rows, label: NDArray[np.bool_], groups: Numbers, answers: frozenset[int]) -> NDArray[np.bool_]:
    """Not what may be as good as a right one: a skill of the same name, description or nearly the same text."""
    return ~label & ~np.isin(groups[rows], groups[sorted(answers)])
