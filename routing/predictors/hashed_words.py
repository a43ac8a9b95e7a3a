"""Words and letter groups of a text, hashed and projected: latent semantic analysis without a vocabulary.

Feature hashing (Weinberger et al., 2009), tf-idf with a logarithm of the counts, truncated SVD (Deerwester et al.,
1990). What is kept is one weight a bucket and the projection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from routing.forecasts import Arrays, Matrix

BUCKETS = 2**14  # a power of two: `& MASK` is `% BUCKETS`
MASK = BUCKETS - 1
HEAD_CHARACTERS, TAIL_CHARACTERS = 900, 300  # that are read of a text
GROUP_LENGTHS = (2, 3)  # letters, as bytes of UTF-8
WORD = re.compile(r"\b\w\w+\b")
KNUTH = np.uint64(2654435761)  # TAOCP 3, 6.4
REMEMBERED_WORDS = 32_768  # hashes of words, some 4 MB
LOG_COUNTS = (1 + np.log(np.maximum(np.arange(4096), 1))).astype(np.float32)  # no text that is read has more of one
LEAST_TEXTS = 2  # that a bucket must occur in
LEAST_LENGTH = 1e-4  # mean distance of texts (of length about one) from their centre: below it they are all alike

Buckets = NDArray[np.int64]


class HashedWords:
    """Texts to `dimension` numbers each: centred, of mean length one over the training texts."""

    def __init__(
        self, kind: str, weights: NDArray[np.float32], projection: NDArray[np.float32], centre: Matrix
    ) -> None:
        """`weights`: one a bucket (idf). `projection`: buckets × dimension, already divided by the mean length."""
        self.kind = kind
        self._buckets_of = KINDS[kind]
        self._weights, self._projection, self._centre = weights, projection, centre

    @property
    def dimension(self) -> int:
        return int(self._projection.shape[1])

    @classmethod
    def fit(cls, kind: str, texts: Sequence[str], *, dimension: int) -> Self:
        """`kind`: `words` (and pairs of them) or `letters` (groups of two and three)."""
        from scipy.sparse import csr_matrix
        from sklearn.decomposition import TruncatedSVD

        parts = [_frequencies(KINDS[kind](_read(text))) for text in texts]
        occurrences = np.bincount(np.concatenate([places for places, _ in parts]), minlength=BUCKETS)
        is_kept = occurrences >= LEAST_TEXTS
        weights = np.where(is_kept, np.log((1 + len(texts)) / (1.0 + occurrences)) + 1, 0).astype(np.float32)
        rows = [_weighed(places, counts, weights) for places, counts in parts]
        starts = np.cumsum([0, *(len(places) for places, _ in parts)])
        columns = np.concatenate([places for places, _ in parts])
        matrix = csr_matrix((np.concatenate(rows), columns, starts), shape=(len(texts), BUCKETS))
        dimension = min(dimension, len(texts) - 1)
        if dimension < 1 or not is_kept.any():
            return cls(kind, weights, np.zeros((BUCKETS, 0), np.float32), np.zeros(0))
        with np.errstate(divide="ignore", invalid="ignore"):  # texts that are all alike leave no variance to explain
            projection = TruncatedSVD(dimension, random_state=0).fit(matrix).components_.T
        projected = matrix @ projection
        centre = projected.mean(axis=0)
        length = float(np.linalg.norm(projected - centre, axis=1).mean())
        if length < LEAST_LENGTH:
            return cls(kind, weights, np.zeros((BUCKETS, 0), np.float32), np.zeros(0))
        kept = (projection / length).astype(np.float16).astype(np.float32)  # as it will be read back
        return cls(kind, weights, kept, (centre / length).astype(np.float64))

    def __call__(self, texts: Sequence[str]) -> Matrix:
        """Texts × dimension."""
        return np.array([self._vector(text) for text in texts]).reshape(len(texts), self.dimension)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "weights": self._weights,
            "projection": self._projection.astype(np.float16),
            "centre": self._centre,
        }

    @classmethod
    def restore(cls, kind: str, arrays: Arrays) -> Self:
        """Undo of `arrays`. Raises KeyError, ValueError."""
        projection = arrays["projection"].astype(np.float32)
        if projection.shape != (BUCKETS, len(arrays["centre"])) or arrays["weights"].shape != (BUCKETS,):
            raise ValueError(f"{kind}: the projection has shape {projection.shape}.")
        return cls(kind, arrays["weights"].astype(np.float32), projection, arrays["centre"].astype(np.float64))

    def _vector(self, text: str) -> NDArray[np.float64]:
        places, counts = _frequencies(self._buckets_of(_read(text)))
        vector: NDArray[np.float64] = _weighed(places, counts, self._weights) @ self._projection[places] - self._centre
        return vector


def _read(text: str) -> str:
    if len(text) <= HEAD_CHARACTERS + TAIL_CHARACTERS:
        return text
    return f"{text[:HEAD_CHARACTERS]} {text[-TAIL_CHARACTERS:]}"


def _words(text: str) -> Buckets:
    words = np.array([*map(_word_hash, WORD.findall(text.lower()))], dtype=np.uint64)
    pairs = (words[:-1] * KNUTH + words[1:]) >> np.uint64(7)
    return (np.concatenate([words, pairs]) & np.uint64(MASK)).astype(np.int64)


@lru_cache(maxsize=REMEMBERED_WORDS)
def _word_hash(word: str) -> int:
    return crc32(word.encode("utf-8", "surrogatepass"))


def _letters(text: str) -> Buckets:
    letters = np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8).astype(np.uint64)
    parts = []
    for length in GROUP_LENGTHS:
        mixed = np.full(max(0, len(letters) - length + 1), length, dtype=np.uint64)
        for place in range(length):
            mixed = mixed * np.uint64(257) + letters[place : place + len(mixed)]
        parts.append(mixed * KNUTH >> np.uint64(11) & np.uint64(MASK))
    return np.concatenate(parts).astype(np.int64)


KINDS: dict[str, Callable[[str], Buckets]] = {"words": _words, "letters": _letters}


def _frequencies(buckets: Buckets) -> tuple[Buckets, NDArray[np.float32]]:
    """The buckets in order, each once, and 1 + log of how often it occurs."""
    counts = np.bincount(buckets, minlength=1)
    places = np.flatnonzero(counts)
    return places, LOG_COUNTS[np.minimum(counts[places], len(LOG_COUNTS) - 1)]


def _weighed(places: Buckets, frequencies: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """tf-idf of length one."""
    values = frequencies * weights[places]
    length = float(np.linalg.norm(values))
    return values / np.float32(length) if length > 0 else values
