"""The vectors of each skill, the head's and the body's windows', as float16 on disk; and the search among heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skills.base import Skill
from skills.index.distribution import Distribution, unit
from skills.index.mapped import mapped
from skills.index.settings import IndexSettings
from skills.ranking.base import Floats, Rows
from storage.vectors.faiss_index import VectorIndex, VectorIndexReport, build_vector_index, open_vector_index

VECTORS_FILE = "vectors.npy"
STATISTICS_FILE = "head_statistics.npy"
SEARCH_FILE = "vectors.faiss"
Halves = NDArray[np.float16]
FEW = 20  # skills; the mean of so few is taken for half of what it would be of many
ROWS_AT_ONCE = 10_000


@dataclass(frozen=True, kw_only=True)
class HeadStatistics:
    """What heads' vectors have in common, and how the rest of them is distributed."""

    common: Floats  # (dimension,), taken away from every head
    distribution: Distribution  # of the centred heads

    def centred(self, heads: Floats) -> Floats:
        """(heads, dimension): without what is common, of length one; zero where nothing is left."""
        return unit(heads - self.common)


def slot_texts(skill: Skill, settings: IndexSettings) -> list[str]:
    """The head's text, then the windows' of the body; empty where there is none."""
    size = settings.window_characters
    windows = [skill.body[first : first + size] for first in range(0, settings.windows * size, size)]
    return [f"{skill.name}: {skill.description}", *(window if window.strip() else "" for window in windows)]


def head_statistics(heads: Halves) -> HeadStatistics:
    """Of one vector a skill."""
    count, dimension = heads.shape
    total = np.zeros(dimension, dtype=np.float64)
    for part in _parts(heads):
        total += part.sum(axis=0, dtype=np.float64)
    common = np.asarray(total / (count + FEW), dtype=np.float32)
    distribution = Distribution.of((unit(part - common) for part in _parts(heads)), dimension=dimension)
    return HeadStatistics(common=common, distribution=distribution)


def write_vectors(
    folder: Path, parts: Sequence[Halves], *, slots: int, dimension: int, statistics: HeadStatistics | None
) -> VectorIndexReport:
    """`parts`: (skills, slots, dimension) each, zero where there is no text. `statistics` None: of these heads.

    Raises OSError, StorageUnavailable.
    """
    rows = sum(map(len, parts))
    every = np.lib.format.open_memmap(
        folder / VECTORS_FILE, mode="w+", dtype=np.float16, shape=(rows, slots, dimension)
    )
    first = 0
    for part in parts:
        every[first : first + len(part)] = part
        first += len(part)
    every.flush()
    used = statistics or head_statistics(every[:, 0])
    np.save(folder / STATISTICS_FILE, np.vstack([used.common, used.distribution.mean, used.distribution.covariance]))
    heads = np.zeros((rows, dimension), dtype=np.float16)
    for start, some in zip(range(0, rows, ROWS_AT_ONCE), _parts(every[:, 0]), strict=True):
        heads[start : start + len(some)] = used.centred(some)
    return build_vector_index(heads, folder / SEARCH_FILE)


class SegmentVectors:
    """The vectors of one segment, mapped into memory. Raises OSError, ValueError, InvalidInput, StorageUnavailable."""

    def __init__(self, folder: Path, *, probes: int, use_gpu: bool) -> None:
        self._all: Halves = mapped(folder / VECTORS_FILE)
        common, mean, *covariance = np.load(folder / STATISTICS_FILE)
        self.statistics = HeadStatistics(
            common=common, distribution=Distribution(mean=mean, covariance=np.array(covariance))
        )
        self._index: VectorIndex = open_vector_index(folder / SEARCH_FILE, probes=probes, use_gpu=use_gpu)

    @property
    def slots(self) -> int:
        return int(self._all.shape[1])

    def halves(self, rows: Rows, slots: slice | int = slice(None)) -> Halves:
        found: Halves = self._all[rows, slots]
        return found

    def nearest(self, queries: Floats, top: int, removed: Rows) -> list[Rows]:
        """For each query, centred, the rows of the nearest heads, best first."""
        _, numbers = self._index.search(queries, top, hidden=removed if len(removed) else None)
        return [found[found >= 0].astype(np.int64) for found in numbers]


def _parts(heads: Halves) -> Iterator[Floats]:
    for first in range(0, len(heads), ROWS_AT_ONCE):
        yield np.asarray(heads[first : first + ROWS_AT_ONCE], dtype=np.float32)
