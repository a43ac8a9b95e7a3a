"""Fits vectors of words to queries and the skills that answered them, and to the skills' own texts.

A start from the singular vectors of the words' table (Deerwester et al., 1990), then a softmax over the other skills of
the batch (in-batch negatives: Henderson et al., 2017, arXiv 1705.00652) for pairs of query and skill, description and
body, headings and description.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skills.progress import Progress, no_progress
from skills.ranking.base import FIELDS, Floats, TermCounts
from skills.ranking.learned_words import FIELD_WEIGHTS, QUERY_SATURATION, SKILL_SATURATION, LearnedWords

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

LEAST_SKILLS = 5  # that have a word, for it to be learned; BM25 knows rarer ones as well, and tables stay small
LEAST_QUERIES = 5  # that have it, where fewer skills do
BATCH = 256
TEMPERATURE = 0.05
START_LENGTH = 5.0  # of the singular vectors' rows: how far one step turns them
LEARNING_RATE = 0.004
DROPPED = 0.3  # of the words of a text, each time it is seen
DECAY = 0.7  # of the learning rate, an epoch
HEADINGS_SHARE = 0.4  # of the skills with headings, an epoch
LEAST_LENGTH = 1e-6
MOMENTUM, SECOND_MOMENTUM, TINY = 0.9, 0.999, 1e-8

Numbers = NDArray[np.int64]


class Bags(NamedTuple):
    """Words of texts, as (texts, words of the pool) tables of counts."""

    name: csr_matrix
    description: csr_matrix
    body: csr_matrix
    headings: csr_matrix


class WordTable:
    """A vector a word, and what Adam keeps of each (Kingma and Ba, 2015); words that are not met are left alone."""

    def __init__(self, start: Floats) -> None:
        self.values = start.copy()
        self._mean = np.zeros_like(start)
        self._square = np.zeros_like(start)
        self._steps = 0

    def vectors(self, words: csr_matrix) -> tuple[Floats, Floats]:
        """(texts, dimension), length one; and the lengths that the sums had."""
        sums = words @ self.values
        lengths = np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), np.float32(LEAST_LENGTH))
        return sums / lengths, lengths

    def step(self, words: csr_matrix, gradient: Floats, rate: float) -> None:
        """`gradient`: (texts, dimension), by the sums."""
        from scipy.sparse import csr_matrix

        self._steps += 1
        rows, columns = np.unique(words.indices, return_inverse=True)
        own = csr_matrix((words.data, columns, words.indptr), shape=(words.shape[0], len(rows)))
        by_word = own.T @ gradient
        mean = self._mean[rows] * np.float32(MOMENTUM) + by_word * np.float32(1 - MOMENTUM)
        square = self._square[rows] * np.float32(SECOND_MOMENTUM) + by_word**2 * np.float32(1 - SECOND_MOMENTUM)
        self._mean[rows], self._square[rows] = mean, square
        size = rate * np.sqrt(1 - SECOND_MOMENTUM**self._steps) / (1 - MOMENTUM**self._steps)
        self.values[rows] -= np.float32(size) * mean / (np.sqrt(square) + np.float32(TINY))


def learn(
    left: WordTable, asked: csr_matrix, right: WordTable, told: csr_matrix, *, answers: Numbers, rate: float
) -> float:
    """One step on a batch whose i-th row of `told` answers the i-th of `asked`; the mean loss before it.

    `answers`: who each row of `told` is; the same one is not held against itself.
    """
    queries, query_lengths = left.vectors(asked)
    skills, skill_lengths = right.vectors(told)
    scores = queries @ skills.T / np.float32(TEMPERATURE)
    same = answers[:, None] == answers[None, :]
    np.fill_diagonal(same, False)
    scores[same] = -np.inf
    scores -= scores.max(axis=1, keepdims=True)
    shares = np.exp(scores)
    shares /= shares.sum(axis=1, keepdims=True)
    loss = float(-np.log(np.maximum(np.diagonal(shares), 1e-30)).mean())
    wrong = (shares - np.eye(len(shares), dtype=np.float32)) / np.float32(len(shares) * TEMPERATURE)
    left.step(asked, _by_sum(queries, wrong @ skills, query_lengths), rate)
    right.step(told, _by_sum(skills, wrong.T @ queries, skill_lengths), rate)
    return loss


@dataclass(frozen=True, kw_only=True)
class WordsSettings:
    """How the vectors are fitted."""

    dimension: int = 192
    epochs: int = 4
    seed: int = 0


class WordsFitting:
    """One pool, ready to have words learned from some of its queries."""

    def __init__(self, bags: Bags, queries: csr_matrix, digests: NDArray[np.uint64], settings: WordsSettings) -> None:
        """`queries`: (queries, words) counts. `digests`: of the words, in the order of the columns."""
        both = bags.name + bags.description + bags.body
        frequency = np.bincount(both.indices, minlength=both.shape[1])
        asked = np.bincount(queries.indices, minlength=queries.shape[1])
        kept = np.flatnonzero((frequency >= LEAST_SKILLS) | (asked >= LEAST_QUERIES))
        kept = kept[np.argsort(digests[kept], kind="stable")]  # as LearnedWords keeps them
        own = frequency[kept]
        self._idf = np.log1p((both.shape[0] - own + 0.5) / (own + 0.5)).astype(np.float32)
        self._digests = digests[kept]
        self._settings = settings
        fields = {"name": bags.name, "description": bags.description, "body": bags.body}
        whole = sum(np.float32(FIELD_WEIGHTS[name]) * fields[name] for name in FIELDS)
        self._whole = self._weighted(whole[:, kept], SKILL_SATURATION)
        self._body = self._weighted(bags.body[:, kept], SKILL_SATURATION)
        self._description = self._weighted(bags.description[:, kept], SKILL_SATURATION)
        self._headings = self._weighted(bags.headings[:, kept], SKILL_SATURATION)
        self._queries = self._weighted(queries[:, kept], QUERY_SATURATION)
        self._start: Floats | None = None

    def fit(self, pairs: NDArray[np.int64], *, on_progress: Progress = no_progress) -> LearnedWords:
        """`pairs`: (pairs, 2) of a query and a skill that answered it. The same seed gives the same words."""
        rng = np.random.default_rng(self._settings.seed)
        start = self._singular() * np.float32(START_LENGTH)
        of_queries, of_skills = WordTable(start), WordTable(start)
        rate = LEARNING_RATE
        for epoch in range(self._settings.epochs):
            batches = self._batches(pairs, rng)
            for done, (left, right, rows, skills) in enumerate(batches):
                learn(of_queries, left[rows], of_skills, right[skills], answers=skills, rate=rate)
                on_progress(epoch * len(batches) + done + 1, self._settings.epochs * len(batches), "learning words")
            rate *= DECAY
        queries, skills = (table.values * self._idf[:, None] for table in (of_queries, of_skills))
        return LearnedWords.of(self._digests, queries, skills)

    def _batches(
        self, pairs: NDArray[np.int64], rng: np.random.Generator
    ) -> list[tuple[csr_matrix, csr_matrix, Numbers, Numbers]]:
        """Of an epoch, in a drawn order: left table, right table, rows of the left one, rows of the right one."""
        described = np.intersect1d(_filled(self._body), _filled(self._description))
        headed = np.intersect1d(_filled(self._headings), described)
        headed = headed[rng.random(len(headed)) < HEADINGS_SHARE]
        jobs = [
            (self._queries, self._whole, pairs[:, 0], pairs[:, 1]),
            (self._description, self._body, described, described),
            (self._headings, self._description, headed, headed),
        ]
        batches = []
        for left, right, rows, skills in jobs:
            order = rng.permutation(len(rows))
            for first in range(0, len(order), BATCH):
                some = order[first : first + BATCH]
                if len(some) > 1:
                    batches.append((left, right, rows[some], skills[some]))
        return [batches[place] for place in rng.permutation(len(batches)).tolist()]

    def _singular(self) -> Floats:
        """(words, dimension): where words that stand in the same skills are near one another."""
        if self._start is None:
            from sklearn.utils.extmath import randomized_svd

            rank = min(self._settings.dimension, min(self._whole.shape) - 1)
            found = np.zeros((self._whole.shape[1], self._settings.dimension), dtype=np.float32)
            if rank > 0:
                found[:, :rank] = randomized_svd(self._whole, rank, n_iter=2, random_state=self._settings.seed)[2].T
            self._start = found
        return self._start

    def _weighted(self, counts: csr_matrix, saturation: float) -> csr_matrix:
        """Saturated counts times idf, rows of length one."""
        table = counts.tocsr().astype(np.float32)
        table.sort_indices()
        table.data = table.data / (table.data + np.float32(saturation)) * self._idf[table.indices]
        lengths = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
        table.data /= np.repeat(np.maximum(lengths, LEAST_LENGTH), np.diff(table.indptr)).astype(np.float32)
        return table


def table_of(field: TermCounts, words: int) -> csr_matrix:
    """The terms of a field as (rows, words)."""
    from scipy.sparse import csr_matrix

    return csr_matrix(
        (field.counts.astype(np.float32), field.terms.astype(np.int64), field.offsets),
        shape=(len(field.offsets) - 1, words),
    )


def counted(terms: Sequence[Mapping[int, float]], words: int) -> csr_matrix:
    """Counts of numbered words by text as (texts, words)."""
    from scipy.sparse import csr_matrix

    offsets = np.cumsum([0, *map(len, terms)])
    columns = np.array([word for text in terms for word in text], dtype=np.int64)
    counts = np.array([count for text in terms for count in text.values()], dtype=np.float32)
    return csr_matrix((counts, columns, offsets), shape=(len(terms), words))


def _filled(table: csr_matrix) -> Numbers:
    return np.flatnonzero(np.diff(table.indptr) > 0)


def _by_sum(unit: Floats, gradient: Floats, lengths: Floats) -> Floats:
    """The gradient by the sum, from that by the sum made of length one."""
    along = np.einsum("ij,ij->i", unit, gradient)[:, None]
    found: Floats = (gradient - unit * along) / lengths
    return found
