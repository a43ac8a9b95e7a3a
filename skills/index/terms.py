"""The terms of each field of each skill, with their counts, as arrays on disk; by skill."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skills.index.mapped import mapped
from skills.index.settings import IndexSettings
from skills.ranking.base import FIELDS, FieldName, Floats, Rows, TermCounts

Lengths = NDArray[np.uint32]


def no_terms() -> TermCounts:
    return TermCounts(
        offsets=np.zeros(1, dtype=np.int64), terms=np.zeros(0, dtype=np.uint32), counts=np.zeros(0, dtype=np.uint16)
    )


def joined(parts: Sequence[TermCounts]) -> TermCounts:
    """The rows of all, one after the other."""
    nothing = no_terms()
    lengths = [np.diff(part.offsets) for part in parts]
    return TermCounts(
        offsets=np.concatenate([[0], np.cumsum(np.concatenate([np.zeros(0, dtype=np.int64), *lengths]))]),
        terms=np.concatenate([nothing.terms, *(part.terms for part in parts)]),
        counts=np.concatenate([nothing.counts, *(part.counts for part in parts)]),
    )


def row_lengths(field: TermCounts) -> NDArray[np.int64]:
    """(rows,): all terms, repeated ones too."""
    sums = np.concatenate([[0], np.cumsum(field.counts, dtype=np.int64)])
    lengths: NDArray[np.int64] = sums[field.offsets[1:]] - sums[field.offsets[:-1]]
    return lengths


def rows_of_entries(field: TermCounts) -> NDArray[np.int64]:
    """The row that each of `terms` belongs to."""
    return np.repeat(np.arange(len(field.offsets) - 1), np.diff(field.offsets))


def write_field(folder: Path, name: FieldName, field: TermCounts) -> None:
    """Raises OSError."""
    np.save(folder / f"{name}_offsets.npy", field.offsets)
    np.save(folder / f"{name}_terms.npy", field.terms)
    np.save(folder / f"{name}_counts.npy", field.counts)
    np.save(folder / f"{name}_lengths.npy", row_lengths(field).astype(np.uint32))


class SegmentField:
    """One field in one segment, mapped into memory. Raises OSError, ValueError."""

    def __init__(self, folder: Path, name: FieldName) -> None:
        self._all = TermCounts(
            offsets=mapped(folder / f"{name}_offsets.npy"),
            terms=mapped(folder / f"{name}_terms.npy"),
            counts=mapped(folder / f"{name}_counts.npy"),
        )
        self._lengths: Lengths = mapped(folder / f"{name}_lengths.npy")

    @property
    def rows(self) -> int:
        return len(self._lengths)

    def of(self, rows: Rows) -> TermCounts:
        starts = self._all.offsets[rows]
        sizes = self._all.offsets[rows + 1] - starts
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], sizes)
        return TermCounts(offsets=offsets, terms=self._all.terms[places], counts=self._all.counts[places])

    def lengths(self, rows: Rows) -> Floats:
        return self._lengths[rows].astype(np.float32)


def counts_of(found: TermCounts, terms: NDArray[np.uint32]) -> Floats:
    """(rows, terms): how often each of the terms, each given once, stands in each row."""
    matrix = np.zeros((len(found.offsets) - 1, len(terms)), dtype=np.float32)
    if not len(terms) or not len(found.terms):
        return matrix
    order = np.argsort(terms)
    ascending = terms[order]
    places = np.minimum(np.searchsorted(ascending, found.terms), len(terms) - 1)
    hits = np.flatnonzero(ascending[places] == found.terms)
    matrix[rows_of_entries(found)[hits], order[places[hits]]] = found.counts[hits]
    return matrix


def field_weights(settings: IndexSettings) -> dict[FieldName, float]:
    weights = (settings.name_weight, settings.description_weight, settings.body_weight)
    return dict(zip(FIELDS, weights, strict=True))
