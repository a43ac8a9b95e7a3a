"""A sum of regression trees over rows of features, a hundred rows and hundreds of trees in a millisecond or two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skills.bit_trees import ALL, BITS, check_trees, lowest_bits
from skills.ranking.base import Floats

ROWS_AT_ONCE = 512


class Trees:
    """Safe to share among threads."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], *, features: int, start: int | None = None) -> None:
        """`arrays` as `skills.bit_trees.SHAPES`. `start`: the feature that each row's sum begins with; None: 0.

        Raises ValueError where they do not make trees.
        """
        check_trees(arrays, features=features)
        trees = len(arrays["leaves"])
        self.features = features
        self._start = start
        # A tree that is a leaf has no split: one that nothing fails stands before each tree's own.
        owners = np.concatenate([np.arange(trees), arrays["split_trees"]])
        order = np.argsort(owners, kind="stable")
        self._starts = np.searchsorted(owners[order], np.arange(trees))
        nothing = np.zeros(trees, dtype=np.int64)
        self._features = np.concatenate([nothing, arrays["split_features"]])[order]
        thresholds = np.concatenate([np.full(trees, np.inf), arrays["split_thresholds"]])[order]
        self._thresholds = _rounded_down(thresholds)[:, None]
        self._masks = np.concatenate([np.full(trees, ALL), arrays["split_masks"]])[order][:, None]
        self._leaves = arrays["leaves"].astype(np.float64).ravel()
        self._first_leaf = BITS * np.arange(trees)[:, None]
        self._lowest = lowest_bits()

    def sums(self, rows: Floats) -> Floats:
        """(rows,). Raises ValueError for another number of features, or one that is not finite."""
        if rows.ndim != 2 or rows.shape[1] != self.features or not np.isfinite(rows).all():
            raise ValueError(f"Rows of shape {rows.shape}; finite ones of {self.features} features would be right.")
        total = (
            np.zeros(len(rows), dtype=np.float32) if self._start is None else rows[:, self._start].astype(np.float32)
        )
        if len(self._starts):
            for first in range(0, len(rows), ROWS_AT_ONCE):
                total[first : first + ROWS_AT_ONCE] += self._sums(rows[first : first + ROWS_AT_ONCE])
        return total

    def _sums(self, rows: Floats) -> Floats:
        by_feature = np.ascontiguousarray(rows.T, dtype=np.float32)
        fails = by_feature[self._features] > self._thresholds  # (splits, rows)
        remaining = np.bitwise_and.reduceat(np.where(fails, self._masks, ALL), self._starts, axis=0)
        found: Floats = self._leaves[self._lowest[remaining] + self._first_leaf].sum(axis=0).astype(np.float32)
        return found


def _rounded_down(thresholds: NDArray[np.float64]) -> Floats:
    """The largest float32 that is not above each: x > t says the same of every x of float32."""
    nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)
