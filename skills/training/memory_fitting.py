"""Makes a memory of past queries: their vectors, words and answers, and a regression from them to skills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skills.progress import Progress, no_progress
from skills.ranking.base import Floats
from skills.ranking.past_queries import PastQueries
from skills.ranking.skill_head import SkillHead
from skills.term_digest import term_digest
from skills.training.pool_words import QueryWords

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

LEAST_QUERIES = 3  # that have a word, for the head to know it
MOST_CELLS = 16_000_000  # of the head's words times skills
BATCH = 512
RATE = 0.03  # Adam's, falling to zero
MOMENTUM, SECOND_MOMENTUM, TINY = 0.9, 0.99, 1e-8
DECAY = 1e-6

Numbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """Past queries and the skills that answered them."""

    vectors: Floats  # (queries, dimension)
    words: Sequence[QueryWords]
    golds: Sequence[Numbers]  # skills' numbers
    skills: int

    def take(self, places: Numbers) -> Answered:
        chosen = places.tolist()
        return Answered(
            vectors=self.vectors[places],
            words=[self.words[place] for place in chosen],
            golds=[self.golds[place] for place in chosen],
            skills=self.skills,
        )


def past_queries(answered: Answered) -> PastQueries:
    """Those that vote."""
    digests: dict[int, int] = {}
    queries, words = [], []
    for place, own in enumerate(answered.words):
        for stem in own.stems:
            words.append(digests.setdefault(term_digest(stem), len(digests)))
            queries.append(place)
    every = np.array(list(digests), dtype=np.uint64)
    order = np.argsort(every)
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    word, query = number[np.array(words, dtype=np.int64)], np.array(queries, dtype=np.int64)
    frequency = np.bincount(word, minlength=len(every))
    count = len(answered.words)
    idf = np.log1p((count - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)
    lengths = np.sqrt(np.bincount(query, idf[word] ** 2, minlength=count))
    by_word = np.lexsort((query, word))
    sizes = np.array([len(gold) for gold in answered.golds], dtype=np.int64)
    arrays: dict[str, NDArray[Any]] = {
        "vectors": answered.vectors.astype(np.float16),
        "word_digests": every[order],
        "word_idf": idf,
        "posting_offsets": np.concatenate([[0], np.cumsum(frequency)]),
        "posting_queries": query[by_word].astype(np.int32),
        "posting_weights": (idf[word] / lengths[query])[by_word].astype(np.float16),
        "gold_offsets": np.concatenate([[0], np.cumsum(sizes)]),
        "gold_skills": np.concatenate([np.zeros(0, dtype=np.int64), *answered.golds]).astype(np.int32),
    }
    return PastQueries(arrays, skills=answered.skills)


def fit_head(
    past: PastQueries,
    answered: Answered,
    rows: Numbers,
    *,
    epochs: int,
    seed: int,
    on_progress: Progress = no_progress,
) -> SkillHead:
    """Learned from `rows` of the queries alone; over the memory's words. The same seed gives the same head.

    Softmax regression towards 1 / |gold| for each gold skill, by Adam (Kingma and Ba, 2015, arXiv 1412.6980).
    """
    table = _word_table(past, answered, rows)
    kept = _kept_words(table, answered.skills)
    x = _Inputs(answered.vectors[rows], table[:, kept])
    targets = _targets([answered.golds[row] for row in rows.tolist()], answered.skills)
    learner = _Learner([(x.vectors.shape[1], answered.skills), (len(kept), answered.skills), (answered.skills,)])
    rng = np.random.default_rng(seed)
    steps = epochs * -(-len(rows) // BATCH)
    for epoch in range(epochs):
        order = rng.permutation(len(rows))
        for first in range(0, len(order), BATCH):
            some = order[first : first + BATCH]
            learner.step(x.gradients(learner.values, some, targets[some].toarray()), steps)
        on_progress(epoch + 1, epochs, "learning which skill is asked for")
    of_vectors, of_words, bias = learner.values
    asked = np.asarray(targets.sum(axis=0)).ravel() > 0
    arrays: dict[str, NDArray[Any]] = {
        "vector_weights": of_vectors.astype(np.float16),
        "word_weights": of_words.astype(np.float16),
        "head_words": kept,
        "bias": np.where(asked, bias, np.float32(-30)),  # a skill that nobody asked for is not asked for
    }
    return SkillHead(
        arrays, dimension=x.vectors.shape[1], words=len(past.arrays["word_digests"]), skills=answered.skills
    )


@dataclass(frozen=True)
class _Inputs:
    vectors: Floats
    words: csr_matrix

    def gradients(self, values: Sequence[Floats], rows: Numbers, targets: Floats) -> list[Floats]:
        vectors, words = self.vectors[rows], self.words[rows]
        scores = vectors @ values[0] + words @ values[1] + values[2]
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        wrong = (scores - targets) / np.float32(len(rows))
        return [vectors.T @ wrong, np.asarray(words.T @ wrong), wrong.sum(axis=0)]


class _Learner:
    """Adam with a rate that falls to zero."""

    def __init__(self, shapes: Sequence[tuple[int, ...]]) -> None:
        self.values: list[Floats] = [np.zeros(shape, dtype=np.float32) for shape in shapes]
        self._means = [np.zeros_like(value) for value in self.values]
        self._squares = [np.zeros_like(value) for value in self.values]
        self._step = 0

    def step(self, gradients: Sequence[Floats], steps: int) -> None:
        self._step += 1
        rate = np.float32(RATE * (1 - (self._step - 1) / steps))
        first, second = 1 - MOMENTUM**self._step, 1 - SECOND_MOMENTUM**self._step
        for value, mean, square, gradient in zip(self.values, self._means, self._squares, gradients, strict=True):
            own = gradient + np.float32(DECAY) * value
            mean *= np.float32(MOMENTUM)
            mean += np.float32(1 - MOMENTUM) * own
            square *= np.float32(SECOND_MOMENTUM)
            square += np.float32(1 - SECOND_MOMENTUM) * own * own
            value -= rate * (mean / np.float32(first)) / (np.sqrt(square / np.float32(second)) + np.float32(TINY))


def _word_table(past: PastQueries, answered: Answered, rows: Numbers) -> csr_matrix:
    from scipy.sparse import csr_matrix

    words = [past.words(answered.words[row].stems, answered.words[row].counts) for row in rows.tolist()]
    offsets = np.cumsum([0, *(len(word.places) for word in words)])
    columns: Any = np.concatenate([np.zeros(0, dtype=np.int64), *(word.places for word in words)])
    weights: Any = np.concatenate([np.zeros(0, dtype=np.float32), *(word.weights for word in words)])
    return csr_matrix((weights, columns, offsets), shape=(len(rows), len(past.arrays["word_digests"])))


def _kept_words(table: csr_matrix, skills: int) -> Numbers:
    """Words of several queries, ascending; of too many those of the most queries."""
    frequency = np.bincount(table.indices, minlength=table.shape[1])
    most = max(1, MOST_CELLS // max(skills, 1))
    order = np.argsort(-frequency, kind="stable")[:most]
    return np.sort(order[frequency[order] >= LEAST_QUERIES])


def _targets(golds: Sequence[Numbers], skills: int) -> csr_matrix:
    from scipy.sparse import csr_matrix

    sizes = np.array([len(gold) for gold in golds], dtype=np.int64)
    shares = np.repeat(1 / np.maximum(sizes, 1), sizes).astype(np.float32)
    columns = np.concatenate([np.zeros(0, dtype=np.int64), *golds])
    return csr_matrix((shares, columns, np.cumsum([0, *sizes.tolist()])), shape=(len(golds), skills))
