"""Regression trees for rows made of a query's and a candidate's features (see `skills.bit_trees`).

As each split looks at the query or at the candidate, what it rules out is found once for each, and met by one `and`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routing.forecasts import Matrix
from skills.bit_trees import ALL, BITS, check_trees, lowest_bits

CELLS_AT_ONCE = 500_000  # trees × queries × candidates


class BitTrees:
    """The sum of all trees. Raises ValueError where the arrays do not make trees."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], *, query_features: int, candidate_features: int) -> None:
        """Features below `query_features` are the query's, the rest the candidate's."""
        count = len(arrays["leaves"])
        check_trees(arrays, features=query_features + candidate_features)
        self._leaves = arrays["leaves"].ravel()
        self._first_leaf = BITS * np.arange(count)
        self._lowest = lowest_bits()
        is_query = arrays["split_features"] < query_features
        self._of_query = _Side(arrays, is_query, offset=0)
        self._of_candidate = _Side(arrays, ~is_query, offset=query_features)

    def sums(self, queries: Matrix, candidates: Matrix) -> Matrix:
        """Queries × candidates, from queries × query features and candidates × candidate features."""
        total = np.zeros((len(queries), len(candidates)))
        if not len(self._first_leaf):
            return total
        theirs = self._of_candidate.remaining(candidates)
        step = max(1, CELLS_AT_ONCE // max(theirs.size, 1))
        for start in range(0, len(queries), step):
            rows = slice(start, start + step)
            remaining = self._of_query.remaining(queries[rows])[:, None, :] & theirs
            total[rows] = self._leaves[self._lowest[remaining] + self._first_leaf].sum(axis=2)
        return total


class _Side:
    """The splits that look at the query, or those that look at the candidate; each tree has one that rules out none."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], chosen: NDArray[np.bool_], *, offset: int) -> None:
        count = len(arrays["leaves"])
        trees = np.concatenate([np.arange(count), arrays["split_trees"][chosen]])
        order = np.argsort(trees, kind="stable")
        self._starts = np.searchsorted(trees[order], np.arange(count))
        nothing = np.zeros(count)
        self._features = np.concatenate([nothing, arrays["split_features"][chosen] - offset]).astype(np.int64)[order]
        self._thresholds = np.concatenate([nothing, arrays["split_thresholds"][chosen]])[order]
        self._masks = np.concatenate([np.full(count, ALL), arrays["split_masks"][chosen]])[order]

    def remaining(self, rows: Matrix) -> NDArray[np.uint16]:
        """Rows × trees: bits of the leaves that can still be reached."""
        fails = rows[:, self._features] > self._thresholds
        left: NDArray[np.uint16] = np.bitwise_and.reduceat(np.where(fails, self._masks, ALL), self._starts, axis=1)
        return left
