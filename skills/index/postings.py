"""Where each term stands, by term, with what it is worth there: BM25 over weighted fields, but for the idf.

Robertson, Zaragoza and Taylor (2004), "Simple BM25 extension to multiple weighted fields": the counts of a term in the
fields are weighted and added, discounted by the length of the whole text, then saturated once: c (k1 + 1) / (c + k1). A
stuffed text gains at most k1 + 1 a term, and little of that: counts beyond a limit only make its text longer. The idf
is applied when searching, so that it is that of the whole index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skills.index.mapped import mapped
from skills.index.settings import IndexSettings
from skills.index.terms import field_weights, row_lengths, rows_of_entries
from skills.ranking.base import FIELDS, FieldName, Floats, TermCounts

Terms = NDArray[np.uint32]
Averages = Mapping[FieldName, float]  # terms a skill
ROW_BITS = np.uint64(32)


def averages(fields: Mapping[FieldName, TermCounts]) -> dict[FieldName, float]:
    return {name: float(np.mean(lengths)) if len(lengths := row_lengths(fields[name])) else 0.0 for name in FIELDS}


def whole_length(field_lengths: Iterable[Floats | NDArray[np.int64]]) -> Floats:
    """(rows,): terms of all fields."""
    return np.asarray(sum(field_lengths), dtype=np.float32)


def discount(lengths: NDArray[np.floating] | NDArray[np.integer], average: float, b: float) -> Floats:
    """What counts are divided by: 1 for a text of average length."""
    return np.asarray(1 - b + b * lengths / max(average, 1.0), dtype=np.float32)


def saturated(counts: Floats, k1: float) -> Floats:
    return np.asarray(counts * np.float32(k1 + 1) / (counts + np.float32(k1)), dtype=np.float32)


def write_postings(
    folder: Path, fields: Mapping[FieldName, TermCounts], average: Averages, settings: IndexSettings
) -> None:
    """Raises OSError."""
    keys, counts = [], []
    lengths = whole_length(row_lengths(fields[name]) for name in FIELDS)
    divisor = discount(lengths, sum(average.values()), settings.b)
    for name, weight in field_weights(settings).items():
        field = fields[name]
        rows = rows_of_entries(field)
        keys.append(field.terms.astype(np.uint64) << ROW_BITS | rows.astype(np.uint64))
        counts.append(np.float32(weight) * np.minimum(field.counts, settings.count_limit) / divisor[rows])
    key = np.concatenate(keys)
    order = np.argsort(key, kind="stable")
    key, count = key[order], np.concatenate(counts)[order]
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])) if len(key) else np.zeros(0, dtype=np.int64)
    worth = saturated(np.add.reduceat(count, starts) if len(starts) else count, settings.k1)
    key = key[starts]
    terms, offsets = np.unique((key >> ROW_BITS).astype(np.uint32), return_index=True)
    np.save(folder / "posting_terms.npy", terms)
    np.save(folder / "posting_offsets.npy", np.append(offsets, len(key)).astype(np.int64))
    np.save(folder / "posting_rows.npy", (key & np.uint64(0xFFFFFFFF)).astype(np.uint32))
    np.save(folder / "posting_worths.npy", worth)


class Postings:
    """The postings of one segment, mapped into memory. Raises OSError, ValueError."""

    def __init__(self, folder: Path) -> None:
        self._terms = np.load(folder / "posting_terms.npy")
        self._offsets = np.load(folder / "posting_offsets.npy")
        self._rows = mapped(folder / "posting_rows.npy")
        self._worths = mapped(folder / "posting_worths.npy")

    def frequencies(self, count: int) -> NDArray[np.int64]:
        """In how many skills each of the first `count` terms stands."""
        found = np.zeros(count, dtype=np.int64)
        found[self._terms] = np.diff(self._offsets)
        return found

    def of(self, terms: Terms, weights: Floats) -> tuple[NDArray[np.uint32], Floats]:
        """Where the terms stand and what they score there, one term after the other."""
        first, last = self._bounds(terms)
        slices = [slice(*bounds) for bounds in zip(first.tolist(), last.tolist(), strict=True)]
        rows = np.concatenate([np.zeros(0, dtype=np.uint32), *(self._rows[one] for one in slices)])
        worths = np.concatenate([np.zeros(0, dtype=np.float32), *(self._worths[one] for one in slices)])
        return rows, worths * np.repeat(weights, last - first)

    def _bounds(self, terms: Terms) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if not len(self._terms):
            return np.zeros(len(terms), dtype=np.int64), np.zeros(len(terms), dtype=np.int64)
        places = np.minimum(np.searchsorted(self._terms, terms), len(self._terms) - 1)
        here = self._terms[places] == terms
        return np.where(here, self._offsets[places], 0), np.where(here, self._offsets[places + 1], 0)
