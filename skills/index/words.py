"""One vector a skill of the ranker's learned words, kept beside the generation that the ranker belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from skills.index.distribution import Distribution
from skills.index.mapped import mapped
from skills.index.terms import SegmentField
from skills.index.vocabulary import Digests
from skills.ranking.base import FIELDS, Floats, Rows
from skills.ranking.learned_words import LearnedWords

LEARNED_FILE = "learned_words.npy"
ROWS_AT_ONCE = 5_000
Halves = NDArray[np.float16]


@runtime_checkable
class KnowsWords(Protocol):
    """A ranker whose learned words the first stage may use too."""

    @property
    def words(self) -> LearnedWords: ...


@runtime_checkable
class KnowsQueries(Protocol):
    """A ranker that tells what queries' vectors have in common."""

    @property
    def query_mean(self) -> Floats: ...


def words_of(ranker: object) -> LearnedWords | None:
    return ranker.words if isinstance(ranker, KnowsWords) else None


class LearnedVectors:
    """The vectors of all rows, on disk until a query is compared with them all. Raises OSError, ValueError."""

    def __init__(self, path: Path) -> None:
        self.halves: Halves = mapped(path)
        if self.halves.ndim != 2:
            raise ValueError(f"{str(path)!r} has the shape {self.halves.shape}, not one vector a row")

    @cached_property
    def every(self) -> Floats:
        """(rows, dimension), in memory."""
        return self.halves.astype(np.float32)

    @cached_property
    def distribution(self) -> Distribution:
        return Distribution.of([self.every], dimension=self.every.shape[1])

    def of(self, rows: Rows) -> Floats:
        return self.halves[rows].astype(np.float32)


def segment_vectors(folder: Path, words: LearnedWords, vocabulary: Digests) -> Halves:
    """(rows, dimension), of a written segment. `vocabulary`: the digests of all terms, by number."""
    fields = {name: SegmentField(folder, name) for name in FIELDS}
    places = words.places(vocabulary)
    rows = fields["name"].rows
    made = np.zeros((rows, words.dimension), dtype=np.float16)
    for first in range(0, rows, ROWS_AT_ONCE):
        some = np.arange(first, min(first + ROWS_AT_ONCE, rows))
        made[some] = words.skill_vectors({name: fields[name].of(some) for name in FIELDS}, places)
    return made


def as_file(parts: Sequence[Halves]) -> bytes:
    """As `LearnedVectors` reads it."""
    stream = BytesIO()
    np.save(stream, np.concatenate(parts))
    return stream.getvalue()
