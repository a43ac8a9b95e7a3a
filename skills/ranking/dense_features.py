"""What the vectors say of each candidate: of its head, of the windows of its body, and of its learned words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from skills.ranking.base import Floats, Retrieved, Rows

NAMES = {
    "dense head": "dense",
    "dense best window": "dense",
    "learned words": "learned words",
    "learned words near the best three": "learned words",
    "learned words near the best ten": "learned words",
}
HEAD_SHARE, BEST_SHARE, MEAN_SHARE = 0.5, 0.3, 0.2  # of the blend


def dense_features(found: Retrieved, order: Rows) -> Mapping[str, Floats]:
    """Cosines; of the windows those that hold text. `order`: the candidates, best first."""
    head, windows = found.similarities[:, 0], found.similarities[:, 1:]
    written = windows != 0
    best = np.where(written, windows, -1).max(axis=1, initial=-1)
    best = np.where(written.any(axis=1), best, head)
    mean = windows.sum(axis=1) / np.maximum(written.sum(axis=1), 1)
    return {
        "dense head": head,
        "dense best window": best,
        "dense blend": HEAD_SHARE * head + BEST_SHARE * best + MEAN_SHARE * mean,
        **_learned(found, order),
    }


def _learned(found: Retrieved, order: Rows) -> Mapping[str, Floats]:
    vectors = found.index.learned(found.rows)
    if found.learned is None or vectors is None:
        nothing = np.zeros(len(found.rows), dtype=np.float32)
        return dict.fromkeys(("learned words", *_NEAR), nothing)
    near = {name: vectors @ vectors[order[:count]].mean(axis=0) for name, count in _NEAR.items()}
    return {"learned words": found.learned, **near}


_NEAR = {"learned words near the best three": 3, "learned words near the best ten": 10}
