"""Vectors of words, learned from queries and the skills that answered them; a text's is the sum of its words'.

Two tables, one for queries and one for skills, as in two-tower retrieval (Huang et al., 2013, "Learning deep structured
semantic models for web search using clickthrough data"), with words alone in place of a network: a query costs a few
additions. What a word weighs (its idf where it was learned) is part of its row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skills.ranking.base import FIELDS, FieldName, Floats, TermCounts
from skills.term_digest import term_digest

FIELD_WEIGHTS: Mapping[FieldName, float] = {"name": 3.0, "description": 3.0, "body": 1.0}
QUERY_SATURATION = 0.5  # count / (count + this): a word ten times in a query is not ten times as important
SKILL_SATURATION = 1.2
ROWS_AT_ONCE = 512
SHAPES = {
    "digests": ("words",),
    "queries": ("words", "dimension"),
    "query_scales": ("words",),
    "skills": ("words", "dimension"),
    "skill_scales": ("words",),
}
LARGEST = 127  # of int8
Places = NDArray[np.int64]
UNKNOWN = -1


class LearnedWords:
    """Texts to vectors; words that were not learned are passed over. Safe to share among threads."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """`digests` ascending, uint64; tables int8, each row times its scale. Raises ValueError where they do not fit.

        `of` makes the arrays of tables of real numbers.
        """
        digests, queries, skills = arrays["digests"], arrays["queries"], arrays["skills"]
        scales = (arrays["query_scales"], arrays["skill_scales"])
        if digests.dtype != np.uint64 or digests.ndim != 1 or not (digests[1:] > digests[:-1]).all():
            raise ValueError("'digests' must be ascending numbers of uint64.")
        if queries.ndim != 2 or queries.shape != skills.shape or len(queries) != len(digests):
            raise ValueError(f"Tables of shapes {queries.shape} and {skills.shape} do not fit {len(digests)} words.")
        if queries.dtype != np.int8 or skills.dtype != np.int8:
            raise ValueError(f"Tables are of {queries.dtype} and {skills.dtype}; they must be of int8.")
        if any(scale.shape != digests.shape or scale.dtype != np.float32 for scale in scales):
            raise ValueError(f"Scales must be {len(digests)} numbers of float32.")
        self.arrays: Mapping[str, NDArray[Any]] = {name: arrays[name] for name in SHAPES}
        self.dimension = int(queries.shape[1])
        self.sha256 = sha256(
            b"".join(np.ascontiguousarray(array).tobytes() for array in self.arrays.values())
        ).hexdigest()

    @classmethod
    def of(cls, digests: NDArray[np.uint64], queries: Floats, skills: Floats) -> LearnedWords:
        """From tables of real numbers (words, dimension), rounded to 255 steps a row."""
        (asked, query_scales), (told, skill_scales) = _rounded(queries), _rounded(skills)
        return cls(
            {
                "digests": digests,
                "queries": asked,
                "query_scales": query_scales,
                "skills": told,
                "skill_scales": skill_scales,
            }
        )

    def __len__(self) -> int:
        return len(self.arrays["digests"])

    def places(self, digests: NDArray[np.uint64]) -> Places:
        """The row of each word, UNKNOWN for one that was not learned."""
        known = self.arrays["digests"]
        if not len(known):
            return np.full(len(digests), UNKNOWN, dtype=np.int64)
        places = np.minimum(np.searchsorted(known, digests), len(known) - 1)
        return np.where(known[places] == digests, places, UNKNOWN)

    def query_vectors(self, stems: Sequence[Sequence[str]], counts: Sequence[Floats]) -> Floats:
        """(texts, dimension): length one, or zero where no word is known. `stems` of a text: each once."""
        vectors = np.zeros((len(stems), self.dimension), dtype=np.float32)
        for row, (words, count) in enumerate(zip(stems, counts, strict=True)):
            places = self.places(np.array([term_digest(word) for word in words], dtype=np.uint64))
            known = places != UNKNOWN
            weights = saturated_counts(count[known], QUERY_SATURATION) * self.arrays["query_scales"][places[known]]
            vectors[row] = weights @ self.arrays["queries"][places[known]].astype(np.float32)
        return normalised(vectors)

    def skill_vectors(self, fields: Mapping[FieldName, TermCounts], places: Places) -> Floats:
        """(rows, dimension): length one, or zero. `places`: the row here of each term number in `fields`."""
        rows = len(fields["name"].offsets) - 1
        vectors = np.zeros((rows, self.dimension), dtype=np.float32)
        for first in range(0, rows, ROWS_AT_ONCE):
            last = min(first + ROWS_AT_ONCE, rows)
            owners, words, counts = weighted_words(fields, places, first, last)
            weights = saturated_counts(counts, SKILL_SATURATION) * self.arrays["skill_scales"][words]
            for row in np.unique(owners).tolist():
                own = slice(*np.searchsorted(owners, [row, row + 1]).tolist())
                vectors[row] = weights[own] @ self.arrays["skills"][words[own]].astype(np.float32)
        return normalised(vectors)


def weighted_words(
    fields: Mapping[FieldName, TermCounts], places: Places, first: int, last: int
) -> tuple[Places, Places, Floats]:
    """Owner, word and weighted count of each known word of these rows, each pair once, by owner and word."""
    keys, counts = [], []
    words = int(places.max(initial=0)) + 1
    for name in FIELDS:
        field = fields[name]
        own = slice(int(field.offsets[first]), int(field.offsets[last]))
        owners = np.repeat(np.arange(first, last), np.diff(field.offsets[first : last + 1]))
        place = places[field.terms[own]]
        known = place != UNKNOWN
        keys.append(owners[known] * words + place[known])
        counts.append(np.float32(FIELD_WEIGHTS[name]) * field.counts[own][known])
    unique, inverse = np.unique(np.concatenate(keys), return_inverse=True)
    total = np.bincount(inverse, np.concatenate(counts), minlength=len(unique)).astype(np.float32)
    return unique // words, unique % words, total


def saturated_counts(counts: Floats, saturation: float) -> Floats:
    return np.asarray(counts / (counts + np.float32(saturation)), dtype=np.float32)


def normalised(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def _rounded(table: Floats) -> tuple[NDArray[np.int8], Floats]:
    """The table in int8, and what each row is to be multiplied with."""
    scales = np.asarray(np.abs(table).max(axis=1, initial=0.0) / LARGEST, dtype=np.float32)
    steps = np.rint(table / np.where(scales > 0, scales, 1)[:, None])
    return steps.astype(np.int8), scales
