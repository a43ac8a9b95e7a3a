"""Queries that were answered before, and the skills that answered them: the nearest ones vote for their skills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skills.ranking.base import Floats
from skills.ranking.learned_words import UNKNOWN, normalised
from skills.term_digest import term_digest

NEIGHBOURS = 32  # that vote
LOOKED_AT = 128  # nearest queries, for the best and the best three of each skill
WORD_SHARE = 0.5  # of the words' cosine, beside the vectors'
TEMPERATURE = 0.06  # of the votes' softmax over similarities
SHAPES = {
    "vectors": ("queries", "dimension"),
    "word_digests": ("words",),
    "word_idf": ("words",),
    "posting_offsets": ("words + 1",),
    "posting_queries": ("postings",),
    "posting_weights": ("postings",),
    "gold_offsets": ("queries + 1",),
    "gold_skills": ("golds",),
}
Numbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Words:
    """The words of one query that past queries had: their places, and weights of length one."""

    places: Numbers
    weights: Floats


@dataclass(frozen=True, kw_only=True)
class Votes:
    """What past queries say for one query; all but the last two run over the memory's skills."""

    votes: Floats  # of the nearest, by meaning and words; sums to one a skill named by each
    word_votes: Floats  # of the nearest by words alone
    together: Floats  # how often skills voted for came with this one
    best: Floats  # similarity of the nearest query that this skill answered; 0: not among those looked at
    best_three: Floats
    similarity: float  # of the nearest query
    entropy: float  # of the votes


class PastQueries:
    """Safe to share among threads."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], *, skills: int) -> None:
        """Raises ValueError where the arrays do not fit together."""
        self.arrays: Mapping[str, NDArray[Any]] = {name: arrays[name] for name in SHAPES}
        _check(self.arrays, skills)
        self.skills = skills
        self._vectors = np.ascontiguousarray(arrays["vectors"].astype(np.float32).T)  # (dimension, queries)
        self._digests = arrays["word_digests"]
        self._idf = arrays["word_idf"].astype(np.float32)
        self._posting_offsets = arrays["posting_offsets"]
        self._posting_queries = arrays["posting_queries"].astype(np.int64)
        self._posting_weights = arrays["posting_weights"].astype(np.float32)
        self._gold_offsets = arrays["gold_offsets"]
        self._golds = arrays["gold_skills"].astype(np.int64)
        self.asked = np.bincount(self._golds, minlength=skills)  # past queries of each skill
        self._together = self._pairs()

    def __len__(self) -> int:
        return len(self._gold_offsets) - 1

    def words(self, stems: Sequence[str], counts: Floats) -> Words:
        """tf-idf over the words of past queries; others are passed over."""
        digests = np.array([term_digest(stem) for stem in stems], dtype=np.uint64)
        places = np.minimum(np.searchsorted(self._digests, digests), max(len(self._digests) - 1, 0))
        known = self._digests[places] == digests if len(self._digests) else np.zeros(len(digests), dtype=bool)
        weights = self._idf[places[known]] * (counts[known] > 0)
        return Words(places=places[known], weights=normalised(weights[None, :])[0])

    def votes(self, vectors: Floats, words: Sequence[Words], *, excluded: Numbers | None = None) -> list[Votes]:
        """One a query; `vectors` (queries, dimension). `excluded`: a past query each that does not vote, or UNKNOWN."""
        similar = vectors @ self._vectors
        found = []
        for row, (own, word) in enumerate(zip(similar, words, strict=True)):
            by_words = self._word_similarity(word)
            total = own + np.float32(WORD_SHARE) * by_words
            if excluded is not None and excluded[row] != UNKNOWN:
                total[excluded[row]] = by_words[excluded[row]] = -np.inf
            found.append(self._votes(total, by_words))
        return found

    def _votes(self, total: Floats, by_words: Floats) -> Votes:
        nearest = _largest(total, LOOKED_AT)
        votes = self._of(nearest[:NEIGHBOURS], _shares(total[nearest[:NEIGHBOURS]]))
        by_word = _largest(np.where(by_words > 0, by_words, -np.inf), NEIGHBOURS)
        best, best_three = self._best(nearest, total[nearest])
        positive = votes[votes > 0]
        return Votes(
            votes=votes,
            word_votes=self._of(by_word, _shares(by_words[by_word])),
            together=self._with(votes),
            best=best,
            best_three=best_three,
            similarity=float(total[nearest[0]]) if len(nearest) else 0.0,
            entropy=float(-(positive * np.log(positive)).sum()),
        )

    def _word_similarity(self, words: Words) -> Floats:
        """(queries,): cosine of the words."""
        slices = [slice(*self._posting_offsets[place : place + 2].tolist()) for place in words.places.tolist()]
        if not slices:
            return np.zeros(len(self), dtype=np.float32)
        queries = np.concatenate([self._posting_queries[one] for one in slices])
        weights = [self._posting_weights[one] * own for one, own in zip(slices, words.weights, strict=True)]
        return np.bincount(queries, np.concatenate(weights), minlength=len(self)).astype(np.float32)

    def _golds_of(self, queries: Numbers) -> tuple[Numbers, Numbers]:
        """Skills that the queries were answered by, and the place of the query each belongs to."""
        starts = self._gold_offsets[queries]
        sizes = self._gold_offsets[queries + 1] - starts
        owners = np.repeat(np.arange(len(queries)), sizes)
        within = np.arange(len(owners)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return self._golds[np.repeat(starts, sizes) + within], owners

    def _of(self, queries: Numbers, shares: Floats) -> Floats:
        skills, owners = self._golds_of(queries)
        return np.bincount(skills, shares[owners], minlength=self.skills).astype(np.float32)

    def _best(self, queries: Numbers, similarities: Floats) -> tuple[Floats, Floats]:
        """Of each skill the best similarity, and a third of the sum of the best three."""
        skills, owners = self._golds_of(queries)
        order = np.argsort(skills, kind="stable")  # within a skill the nearest first, as `queries` are
        ordered, values = skills[order], np.maximum(similarities[owners[order]], 0)
        place = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
        best, three = np.zeros(self.skills, dtype=np.float32), np.zeros(self.skills, dtype=np.float32)
        best[ordered[place == 0]] = values[place == 0]
        np.add.at(three, ordered[place < 3], values[place < 3] / 3)
        return best, three

    def _with(self, votes: Floats) -> Floats:
        """Sum over skills s voted for of votes_s × share of s's past queries that the other skill answered too."""
        first, second, shares = self._together
        return np.bincount(second, votes[first] * shares, minlength=self.skills).astype(np.float32)

    def _pairs(self) -> tuple[Numbers, Numbers, Floats]:
        """Ordered pairs of skills that answered a query together, each once, with the share of the first one's."""
        keys = []
        for first, last in zip(self._gold_offsets[:-1].tolist(), self._gold_offsets[1:].tolist(), strict=True):
            if last - first > 1:
                own = self._golds[first:last]
                left, right = np.meshgrid(own, own, indexing="ij")
                keys.append((left * self.skills + right)[left != right])
        pairs, counts = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *keys]), return_counts=True)
        left, right = pairs // self.skills, pairs % self.skills
        return left, right, (counts / np.maximum(self.asked[left], 1)).astype(np.float32)


def _largest(values: Floats, count: int) -> Numbers:
    """Places of the largest finite ones, largest first, ties by place."""
    places = np.arange(len(values))
    if len(values) > count:
        bar = np.partition(values, len(values) - count)[len(values) - count]
        places = np.flatnonzero(values >= bar)
    places = places[np.isfinite(values[places])]
    return places[np.argsort(-values[places], kind="stable")][:count]


def _shares(similarities: Floats) -> Floats:
    if not len(similarities):
        return similarities
    weights = np.exp((similarities - similarities.max()) / np.float32(TEMPERATURE))
    return np.asarray(weights / weights.sum(), dtype=np.float32)


def _check(arrays: Mapping[str, NDArray[Any]], skills: int) -> None:
    queries, words = len(arrays["vectors"]), len(arrays["word_digests"])
    if arrays["vectors"].ndim != 2 or arrays["word_digests"].dtype != np.uint64 or len(arrays["word_idf"]) != words:
        raise ValueError("Vectors, words and their weights do not fit together.")
    _check_lists("gold_offsets", arrays["gold_offsets"], arrays["gold_skills"], rows=queries, below=skills)
    _check_lists("posting_offsets", arrays["posting_offsets"], arrays["posting_queries"], rows=words, below=queries)
    if arrays["posting_weights"].shape != arrays["posting_queries"].shape:
        raise ValueError("Postings and their weights are of different lengths.")


def _check_lists(name: str, offsets: NDArray[Any], members: NDArray[Any], *, rows: int, below: int) -> None:
    bounds = np.concatenate([[0], offsets, [len(members)]])
    if len(offsets) != rows + 1 or offsets[0] != 0 or offsets[-1] != len(members) or (np.diff(bounds) < 0).any():
        raise ValueError(f"{name!r} does not divide {len(members)} members among {rows} rows.")
    if len(members) and not 0 <= int(members.min()) <= int(members.max()) < below:
        raise ValueError(f"Members beside {name!r} must be within 0 to {below - 1}.")
