"""How each candidate stands among the others: its lead, its place, and how near it is to the best ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from skills.ranking.base import Floats, Retrieved

LEAD, STANDARD, PLACE = ", behind the best", ", standardised", ", place"
STANDARDISED = (
    "fused",
    "lexical",
    "dense head",
    "dense blend",
    "learned words",
    "coverage",
    "coverage of name and description",
)
NEIGHBOURS = {
    "near the best three": "consensus",
    "near the best ten": "consensus",
    "nearest neighbour": "consensus",
    "nearest that stands before": "consensus",
    "support of the list": "consensus",
}
TINY = np.float32(1e-6)
SHARPNESS = 3  # power of a similarity: only near neighbours support


def standardised(name: str, values: Floats) -> dict[str, Floats]:
    """Behind the best, in standard deviations from the mean, and the logarithm of how many are better."""
    better = len(values) - np.searchsorted(np.sort(values), values, side="right")
    return {
        name + LEAD: values - values.max(),
        name + STANDARD: (values - values.mean()) / (values.std() + TINY),
        name + PLACE: np.log1p(better).astype(np.float32),
    }


def neighbour_features(found: Retrieved) -> Mapping[str, Floats]:
    """Of the heads' vectors: skills that the best candidates resemble are often what is meant, or a copy of it."""
    heads = found.index.vectors.of(found.rows)[:, 0]
    order = np.lexsort((found.rows, -found.fused))
    near = heads @ heads.T
    np.fill_diagonal(near, -1)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    weight = np.exp(found.fused - found.fused.max())
    others = np.maximum(near, 0) ** SHARPNESS
    return {
        "near the best three": heads @ heads[order[:3]].mean(axis=0),
        "near the best ten": heads @ heads[order[:10]].mean(axis=0),
        "nearest neighbour": near.max(axis=1),
        "nearest that stands before": np.where(place[None, :] < place[:, None], near, -1).max(axis=1),
        "support of the list": others @ weight / weight.sum(),
    }
