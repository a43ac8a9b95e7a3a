"""Regression trees as arrays that numpy reads without walking them: each leaf is a bit, leftmost lowest.

A split that fails (its feature is above the threshold) rules out the leaves to its left; the lowest bit that no failed
split rules out is the leaf reached (QuickScorer: Lucchese et al., 2015).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BITS = 16  # leaves of a tree at most
ALL = np.uint16(2**BITS - 1)
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


def check_trees(arrays: Mapping[str, NDArray[Any]], *, features: int) -> None:
    """Raises ValueError where the arrays do not make trees over so many features."""
    leaves, splits = arrays["leaves"], arrays["split_trees"].shape
    if leaves.ndim != 2 or leaves.shape[1] != BITS or len(splits) != 1:
        raise ValueError(f"Trees have leaves of shape {leaves.shape}; (trees, {BITS}) would be right.")
    if any(arrays[name].shape != splits for name in SHAPES if name != "leaves"):
        raise ValueError("The arrays of the splits are of different lengths.")
    _check_places("split_trees", arrays["split_trees"], below=len(leaves))
    _check_places("split_features", arrays["split_features"], below=features)
    if arrays["split_masks"].dtype != np.uint16:
        raise ValueError(f"'split_masks' is of {arrays['split_masks'].dtype}; it must be of uint16.")


def lowest_bits() -> NDArray[np.uint8]:
    """Place of the lowest bit of each number of 16 bits; 0 for 0."""
    lowest = np.zeros(2**BITS, dtype=np.uint8)
    for bit in reversed(range(BITS)):
        lowest[1 << bit :: 1 << (bit + 1)] = bit
    return lowest


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


def _check_places(name: str, places: NDArray[Any], *, below: int) -> None:
    if ((places < 0) | (places >= below)).any():
        raise ValueError(f"{name!r} goes from {places.min()} to {places.max()}; it must be within 0 to {below - 1}.")
