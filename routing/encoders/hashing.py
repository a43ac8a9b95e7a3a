"""An encoder without a model: words and letter groups hashed into buckets; it knows spelling, not meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

MAX_CHARACTERS = 4_000  # later ones are not read
GRAM_LENGTH = 4
GRAM_WEIGHT = 0.4  # a word has many letter groups: together they shall not outweigh it
WORD = re.compile(r"[^\W\d_]+|\d+|[^\w\s]", re.UNICODE)
DIGITS = re.compile(r"\d+")


class HashingEncoder:
    """Signed feature hashing (Weinberger et al., 2009) of words and letter groups; the same answer everywhere."""

    def __init__(self, *, dimension: int = 512) -> None:
        self.dimension = dimension
        self.name = f"hashing-{dimension} (no sentence encoder)"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Encoder.encode`. An empty text has a vector of its own."""
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for feature, weight in _features(text[:MAX_CHARACTERS]):
                digest = crc32(feature.encode("utf-8", "replace"))
                row[(digest >> 1) % self.dimension] += weight if digest & 1 else -weight
        vectors[~vectors.any(axis=1), 0] = 1.0  # features that cancel out exactly
        lengths: NDArray[np.float32] = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
        return vectors / lengths


def _features(text: str) -> Iterator[tuple[str, float]]:
    """The words of a text, numbers all alike, and the letter groups of long words."""
    yield "<start>", 0.1
    for word in WORD.findall(text.lower()):
        if DIGITS.fullmatch(word):
            yield "<number>", 1.0
            continue
        yield word, 1.0
        padded = f"<{word}>"
        for start in range(len(padded) - GRAM_LENGTH + 1):
            yield "#" + padded[start : start + GRAM_LENGTH], GRAM_WEIGHT
