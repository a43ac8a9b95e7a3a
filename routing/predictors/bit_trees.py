"""Regression trees that numpy reads without walking them, for rows made of a query's and a candidate's features.

Each leaf is a bit, leftmost lowest. A split that fails (its feature is above the threshold) rules out the leaves to
its left; the lowest bit that no failed split rules out is the leaf reached (QuickScorer: Lucchese et al., 2015). As
each split looks at the query or at the candidate, what it rules out is found once for each, and met by one `and`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routing.forecasts import Matrix

BITS = 16  # leaves of a tree at most
ALL = np.uint16(2**BITS - 1)
CELLS_AT_ONCE = 500_000  # trees × queries × candidates
SHAPES = {
    "split_trees": ("splits",),
    "split_features": ("splits",),
    "split_thresholds": ("splits",),
    "split_masks": ("splits",),  # bits of the leaves that stay when the split fails
    "leaves": ("trees", BITS),
}


def flatten(trees: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    """LightGBM's `tree_info` to the arrays of `SHAPES`. Numeric splits without missing values only."""
    splits: list[tuple[int, int, float, int]] = []
    leaves = np.zeros((len(trees), BITS))
    for place, tree in enumerate(trees):
        values: list[float] = []
        _collect(tree["tree_structure"], place, splits, values)
        leaves[place, : len(values)] = values
    columns = list(zip(*splits, strict=True)) or [(), (), (), ()]
    return {
        "split_trees": np.array(columns[0], dtype=np.int32),
        "split_features": np.array(columns[1], dtype=np.int32),
        "split_thresholds": np.array(columns[2], dtype=np.float64),
        "split_masks": np.array(columns[3], dtype=np.uint16),
        "leaves": leaves,
    }


def _collect(
    node: Mapping[str, Any], tree: int, splits: list[tuple[int, int, float, int]], values: list[float]
) -> None:
    """Appends the node's leaves, left to right, and its splits."""
    if "leaf_value" in node:
        values.append(float(node["leaf_value"]))
        return
    first = len(values)
    _collect(node["left_child"], tree, splits, values)
    ruled_out = (1 << len(values)) - (1 << first)
    splits.append((tree, int(node["split_feature"]), float(node["threshold"]), int(ALL) & ~ruled_out))
    _collect(node["right_child"], tree, splits, values)


class BitTrees:
    """The sum of all trees. Raises ValueError where the arrays do not make trees."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], *, query_features: int, candidate_features: int) -> None:
        """Features below `query_features` are the query's, the rest the candidate's."""
        count = len(arrays["leaves"])
        _check("split_trees", arrays["split_trees"], below=count)
        _check("split_features", arrays["split_features"], below=query_features + candidate_features)
        if arrays["split_masks"].dtype != np.uint16:
            raise ValueError(f"'split_masks' is of {arrays['split_masks'].dtype}; it must be of uint16.")
        self._leaves = arrays["leaves"].ravel()
        self._first_leaf = BITS * np.arange(count)
        self._lowest = _lowest_bits()
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


def _check(name: str, places: NDArray[Any], *, below: int) -> None:
    if ((places < 0) | (places >= below)).any():
        raise ValueError(f"{name!r} goes from {places.min()} to {places.max()}; it must be within 0 to {below - 1}.")


def _lowest_bits() -> NDArray[np.uint8]:
    """Place of the lowest bit of each number of 16 bits; 0 for 0."""
    lowest = np.zeros(2**BITS, dtype=np.uint8)
    for bit in reversed(range(BITS)):
        lowest[1 << bit :: 1 << (bit + 1)] = bit
    return lowest
