"""Which skill a query asks for, as a multinomial regression over skills with past queries; served with numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skills.ranking.base import Floats
from skills.ranking.past_queries import Numbers, Words

SHAPES = {
    "vector_weights": ("dimension", "skills"),
    "word_weights": ("head words", "skills"),
    "head_words": ("head words",),  # their places among the memory's words, ascending
    "bias": ("skills",),
}


class SkillHead:
    """p = softmax(vector · V + words · W + b). Safe to share among threads."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], *, dimension: int, words: int, skills: int) -> None:
        """Raises ValueError where the arrays do not fit together."""
        self.arrays: Mapping[str, NDArray[Any]] = {name: arrays[name] for name in SHAPES}
        own = arrays["head_words"]
        shapes = {"vector_weights": (dimension, skills), "word_weights": (len(own), skills), "bias": (skills,)}
        for name, shape in shapes.items():
            if arrays[name].shape != shape:
                raise ValueError(f"{name!r} has the shape {arrays[name].shape}; {shape} would be right.")
        if own.ndim != 1 or not (own[1:] > own[:-1]).all() or (len(own) and not 0 <= own[0] <= own[-1] < words):
            raise ValueError(f"'head_words' must be ascending numbers below {words}.")
        self._of_vector = arrays["vector_weights"].astype(np.float32)
        self._of_word = arrays["word_weights"]
        self._bias = arrays["bias"].astype(np.float32)
        self._place_to_row = np.full(words, -1, dtype=np.int64)
        self._place_to_row[own] = np.arange(len(own))

    def probabilities(self, vectors: Floats, words: Sequence[Words]) -> Floats:
        """(queries, skills)."""
        scores = vectors @ self._of_vector + self._bias
        for row, word in enumerate(words):
            rows = self._place_to_row[word.places]
            known = rows >= 0
            scores[row] += word.weights[known] @ self._of_word[rows[known]].astype(np.float32)
        scores -= scores.max(axis=1, keepdims=True, initial=-np.inf)
        np.exp(scores, out=scores)
        found: Floats = scores / scores.sum(axis=1, keepdims=True)
        return found

    def known_words(self, places: Numbers) -> Numbers:
        """The head's own row of each of the memory's words; -1 for one that it does not know."""
        return self._place_to_row[places]
