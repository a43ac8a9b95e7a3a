"""What the vectors say of each candidate: of its head, of the windows of its body, and of its learned words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from skills.ranking.base import Floats, Retrieved

NAMES = {
    "dense head": "dense",
    "dense best window": "dense",
    "dense windows, mean": "dense",
    "dense blend": "dense",
    "learned words": "learned words",
}
HEAD_SHARE, BEST_SHARE, MEAN_SHARE = 0.5, 0.3, 0.2  # of the blend


def dense_features(found: Retrieved) -> Mapping[str, Floats]:
    """Cosines; of the windows those that hold text."""
    head, windows = found.similarities[:, 0], found.similarities[:, 1:]
    written = windows != 0
    count = np.maximum(written.sum(axis=1), 1)
    best = np.where(written, windows, -1).max(axis=1, initial=-1)
    best = np.where(written.any(axis=1), best, 0)
    mean = windows.sum(axis=1) / count
    learned = np.zeros(len(head), dtype=np.float32) if found.learned is None else found.learned
    return {
        "dense head": head,
        "dense best window": best,
        "dense windows, mean": mean,
        "dense blend": HEAD_SHARE * head + BEST_SHARE * best + MEAN_SHARE * mean,
        "learned words": learned,
    }
