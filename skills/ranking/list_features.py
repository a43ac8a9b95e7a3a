"""How each candidate stands among the others: its lead, its place, and how near it is to the best ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from skills.ranking.base import Floats, Retrieved

LEAD, STANDARD, PLACE = ", behind the best", ", standardised", ", place"
ALL = (LEAD, STANDARD, PLACE)
STANDARDISED: Mapping[str, tuple[str, ...]] = {
    "fused": ALL,
    "lexical": ALL,
    "lexical by fields": (LEAD, STANDARD),
    "best window": ALL,
    "best narrow window": (LEAD, STANDARD),
    "best wide window": (LEAD, STANDARD),
    "pairs side by side": (LEAD, STANDARD),
    "pairs counted": (STANDARD,),
    "near pairs": (LEAD, STANDARD),
    "near pairs by distance": (LEAD, STANDARD),
    "longest run": (LEAD, STANDARD),
    "best line's cosine": ALL,
    "coverage": ALL,
    "coverage of name and description": (LEAD, STANDARD),
    "share of frequency among candidates": (STANDARD,),
    "dense head": ALL,
    "dense best window": (LEAD, STANDARD),
    "dense blend": (LEAD, STANDARD),
    "learned words": ALL,
}
NEIGHBOURS = {
    "near the best three": "neighbours",
    "near the best ten": "neighbours",
    "nearest neighbour": "neighbours",
    "nearest that stands before": "neighbours",
    "support of the list": "neighbours",
}
TINY = np.float32(1e-6)
SHARPNESS = 3  # power of a similarity: only near neighbours support


def best_first(found: Retrieved) -> NDArray[np.int64]:
    """Places of the candidates by the first stage's score; equal ones by their content."""
    contents = [found.index.cards[row].sha256 for row in found.rows.tolist()]
    return np.array(sorted(range(len(contents)), key=lambda place: (-found.fused[place], contents[place])))


def standardised(name: str, values: Floats) -> dict[str, Floats]:
    """Behind the best, in standard deviations from the mean, and the logarithm of how many are better."""
    better = len(values) - np.searchsorted(np.sort(values), values, side="right")
    return {
        name + LEAD: values - values.max(),
        name + STANDARD: (values - values.mean()) / (values.std() + TINY),
        name + PLACE: np.log1p(better).astype(np.float32),
    }


def neighbour_features(found: Retrieved, order: NDArray[np.int64]) -> Mapping[str, Floats]:
    """Of the heads' vectors: skills that the best candidates resemble are often what is meant, or a copy of it."""
    heads = found.index.vectors.of(found.rows)[:, 0]
    near = heads @ heads.T
    np.fill_diagonal(near, -1)
    weight = np.exp(found.fused - found.fused.max())
    others = np.maximum(near, 0) ** SHARPNESS
    return {
        "near the best three": heads @ heads[order[:3]].mean(axis=0),
        "near the best ten": heads @ heads[order[:10]].mean(axis=0),
        "nearest neighbour": near.max(axis=1),
        "nearest that stands before": np.where(found.fused[None, :] > found.fused[:, None], near, -1).max(axis=1),
        "support of the list": others @ weight / weight.sum(),
    }
