"""How each candidate stands among the others: its lead, and its place."""

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
    "lexical by fields": (LEAD,),
    "best window": ALL,
    "pairs side by side": (LEAD, STANDARD),
    "pairs counted": (STANDARD,),
    "near pairs": (LEAD, STANDARD),
    "near pairs by distance": (LEAD, STANDARD),
    "longest run": (STANDARD,),
    "best line's cosine": (LEAD, STANDARD),
    "coverage": ALL,
    "dense head": ALL,
    "dense best window": (LEAD, STANDARD),
    "dense blend": (LEAD, STANDARD),
    "learned words": ALL,
}
TINY = np.float32(1e-6)


def best_first(found: Retrieved) -> NDArray[np.int64]:
    """Places of the candidates, by the first stage's score; equal ones by their content."""
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
