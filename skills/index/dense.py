"""The vectors of each skill, the head's and the body's windows', as float16 on disk; and the search among them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skills.base import Skill
from skills.index.mapped import mapped
from skills.index.settings import IndexSettings
from skills.ranking.base import Floats, Rows
from storage.vectors.faiss_index import VectorIndex, VectorIndexReport, build_vector_index, open_vector_index

VECTORS_FILE = "vectors.npy"
OWNERS_FILE = "vector_owners.npy"
SEARCH_FILE = "vectors.faiss"
Halves = NDArray[np.float16]


def slot_texts(skill: Skill, settings: IndexSettings) -> list[str]:
    """The head's text, then the windows' of the body; empty where there is none."""
    size = settings.window_characters
    windows = [skill.body[first : first + size] for first in range(0, settings.windows * size, size)]
    return [f"{skill.name}: {skill.description}", *(window if window.strip() else "" for window in windows)]


def write_vectors(folder: Path, parts: Sequence[Halves], *, slots: int, dimension: int) -> VectorIndexReport:
    """`parts`: (skills, slots, dimension) each, zero where there is no text. Raises OSError, StorageUnavailable."""
    rows = sum(map(len, parts))
    every = np.lib.format.open_memmap(
        folder / VECTORS_FILE, mode="w+", dtype=np.float16, shape=(rows, slots, dimension)
    )
    first = 0
    for part in parts:
        every[first : first + len(part)] = part
        first += len(part)
    every.flush()
    flat = every.reshape(rows * slots, dimension)
    owners = np.flatnonzero(flat.any(axis=1)).astype(np.uint32)
    np.save(folder / OWNERS_FILE, owners)
    return build_vector_index(flat if len(owners) == len(flat) else flat[owners], folder / SEARCH_FILE)


class SegmentVectors:
    """The vectors of one segment, mapped into memory. Raises OSError, ValueError, InvalidInput, StorageUnavailable."""

    def __init__(self, folder: Path, *, probes: int, use_gpu: bool) -> None:
        self._all: Halves = mapped(folder / VECTORS_FILE)
        self._owners: NDArray[np.uint32] = np.load(folder / OWNERS_FILE)
        self._index: VectorIndex = open_vector_index(folder / SEARCH_FILE, probes=probes, use_gpu=use_gpu)

    @property
    def slots(self) -> int:
        return int(self._all.shape[1])

    def halves(self, rows: Rows) -> Halves:
        return self._all[rows]

    def nearest(self, queries: Floats, top: int, removed: Rows) -> list[tuple[Rows, Floats]]:
        """For each query the rows whose nearest vector is nearest, each once, best first, and its similarity."""
        hidden = np.flatnonzero(np.isin(self._owners // self.slots, removed)) if len(removed) else None
        similarities, numbers = self._index.search(queries, top * self.slots, hidden=hidden)
        return [self._best_of_each(*found, top) for found in zip(similarities, numbers, strict=True)]

    def _best_of_each(self, similarities: Floats, numbers: NDArray[np.int64], top: int) -> tuple[Rows, Floats]:
        found = numbers >= 0
        rows = (self._owners[numbers[found]] // self.slots).astype(np.int64)
        unique, first = np.unique(rows, return_index=True)
        kept = np.argsort(first, kind="stable")[:top]
        return unique[kept], similarities[found][first[kept]]
