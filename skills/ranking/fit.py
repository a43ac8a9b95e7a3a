"""How likely the best candidate fits at all: a logistic regression over a few signals of the ranked list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skills.ranking.base import FIELDS, Floats, Retrieved

SIGNALS = (
    "best score",
    "lead over the second",
    "lead over the tenth",
    "coverage by the best",  # share of the query's weight whose words the best one has
    "coverage by the list",
    "similarity of the best",
    "similarity of the nearest",
    "words known",  # share of the query's different words that some skill has
    "learned words' similarity of the best",
    "words in the query, log",
)
SHAPES = {"weights": ("signals",), "centre": ("signals",), "scale": ("signals",), "bias": (1,)}
TENTH = 10


def signals(found: Retrieved, scores: Floats) -> Floats:
    """(signals,), finite; of a list with one candidate or more."""
    ordered = np.sort(scores)[::-1]
    best = int(np.argmax(scores))
    matched = np.zeros((len(scores), len(found.query.terms)), dtype=bool)
    for name in FIELDS:
        matched |= found.field_counts[name] > 0
    weight = found.query.idf / max(float(found.query.idf.sum()), 1e-6)
    known = len(found.query.terms)
    values = [
        float(ordered[0]),
        float(ordered[0] - ordered[min(1, len(ordered) - 1)]),
        float(ordered[0] - ordered[min(TENTH, len(ordered)) - 1]),
        float(weight @ matched[best]),
        float((matched @ weight).max()),
        float(found.dense[best]),
        float(found.dense.max()),
        known / max(known + found.query.unknown, 1),
        0.0 if found.learned is None else float(found.learned[best]),
        float(np.log1p(known + found.query.unknown)),
    ]
    return np.array(values, dtype=np.float32)


class Fit:
    """Signals to a probability. Safe to share among threads."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Raises ValueError where the arrays do not fit."""
        for name, shape in {"weights": len(SIGNALS), "centre": len(SIGNALS), "scale": len(SIGNALS), "bias": 1}.items():
            if arrays[name].shape != (shape,):
                raise ValueError(f"{name!r} has the shape {arrays[name].shape}; {(shape,)} would be right.")
        if not (arrays["scale"] > 0).all():
            raise ValueError("Every 'scale' must be above 0.")
        self.arrays: Mapping[str, NDArray[Any]] = {name: arrays[name] for name in SHAPES}

    def probability(self, values: Floats) -> float:
        """`values` as `signals` gives them."""
        own = self.arrays
        logit = float(((values - own["centre"]) / own["scale"]) @ own["weights"] + own["bias"][0])
        return 1 / (1 + float(np.exp(-np.clip(logit, -60, 60))))
