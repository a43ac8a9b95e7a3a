"""What the learned routers read of a query: its embedding, its words and letters, its signals, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from routing.forecasts import Arrays, Inputs, Matrix
from routing.predictors.hashed_words import HashedWords
from routing.predictors.text_signals import SIGNAL_COUNT, SURFACE_COUNT, text_signals

BLOCKS = {"words": 100, "letters": 64}  # kind of hashed words to dimension
BLOCK_WEIGHTS = {"embedding": 6.0, "words": 6.0, "letters": 4.0}  # of vectors of length about one
SIGNAL_WEIGHTS = np.where(np.arange(SIGNAL_COUNT) < SURFACE_COUNT, 0.5, 1.0)  # of signals of variance one
MOST_DEVIATIONS = 4.0  # of a signal from its mean
LEAST_SCALE = 1e-9  # of a signal that varies at all

Vector = NDArray[np.float64]


class QueryFeatures:
    """Inputs to rows of the same width; what was constant in training stays zero."""

    def __init__(self, blocks: Mapping[str, HashedWords], weights: Arrays) -> None:
        self._blocks = dict(blocks)
        self._signal_means: Vector = weights["signal_means"]
        self._signal_scales: Vector = weights["signal_scales"]
        self._centre: Vector = weights["centre"]

    @property
    def dimension(self) -> int:
        return len(self._centre)

    @classmethod
    def fit(cls, inputs: Inputs) -> Self:
        signals = text_signals(inputs.texts)
        blocks = {kind: HashedWords.fit(kind, inputs.texts, dimension=size) for kind, size in BLOCKS.items()}
        weights = {
            "signal_means": signals.mean(axis=0),
            "signal_scales": signals.std(axis=0),
            "centre": np.zeros(0),
        }
        features = cls(blocks, weights)
        features._centre = features._joined(inputs).mean(axis=0)
        return features

    def __call__(self, inputs: Inputs) -> Matrix:
        """Queries × `dimension`, centred on the training queries; the last columns are the signals."""
        return self._joined(inputs) - self._centre

    def arrays(self) -> dict[str, NDArray[Any]]:
        own = {
            "signal_means": self._signal_means, "signal_scales": self._signal_scales, "centre": self._centre,
        }  # fmt: skip
        blocks = {
            f"{kind}.{name}": array for kind, block in self._blocks.items() for name, array in block.arrays().items()
        }
        return {**own, **blocks}

    @classmethod
    def restore(cls, arrays: Arrays) -> Self:
        """Undo of `arrays`. Raises KeyError, ValueError."""
        blocks = {
            kind: HashedWords.restore(
                kind, {name: arrays[f"{kind}.{name}"] for name in ("weights", "projection", "centre")}
            )
            for kind in BLOCKS
        }
        return cls(blocks, arrays)

    def _joined(self, inputs: Inputs) -> Matrix:
        scales = np.maximum(self._signal_scales, LEAST_SCALE)
        deviations = np.where(
            self._signal_scales > LEAST_SCALE, (text_signals(inputs.texts) - self._signal_means) / scales, 0.0
        )
        return np.concatenate(
            [
                inputs.embeddings.astype(np.float64) * BLOCK_WEIGHTS["embedding"],
                *(block(inputs.texts) * BLOCK_WEIGHTS[kind] for kind, block in self._blocks.items()),
                np.clip(deviations, -MOST_DEVIATIONS, MOST_DEVIATIONS) * SIGNAL_WEIGHTS,
            ],
            axis=1,
        )
