"""Which training queries a query is like, and how much: a few principal axes of embeddings in whole numbers.

Whole numbers' products are exact in any order of summing, so a query has the same neighbours alone and in a batch.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from routing.forecasts import Arrays, Matrix
from routing.predictors.nearest import as_whole_numbers, nearest, similarities

AXES = 128  # of an embedding's dimensions: a third of the time of all of MiniLM's 384
NEIGHBOURS = 30
WIDTH = 0.1  # of cosines: a neighbour less alike than the nearest by this counts 1/e of it

Places = NDArray[np.int64]


class Neighbourhood:
    """`axes`: dimension × axes. `vectors`: queries × axes, from -127 to 127. `scales`: what rows are multiplied by."""

    def __init__(self, axes: Matrix, vectors: NDArray[np.int8], scales: NDArray[np.float64]) -> None:
        if axes.ndim != 2 or vectors.shape != (len(scales), axes.shape[1]):
            raise ValueError(f"Vectors {vectors.shape} do not fit axes {axes.shape} and scales {scales.shape}.")
        self._axes, self._vectors, self._scales = axes, vectors, scales
        self._floats = vectors.astype(np.float32)  # four times the memory, for a fast product

    def __len__(self) -> int:
        return len(self._vectors)

    @classmethod
    def fit(cls, embeddings: NDArray[np.float32]) -> Self:
        """Rows of length one; uncentred axes, so that products of coordinates come near to cosines."""
        values = embeddings.astype(np.float64)
        _, axes = np.linalg.eigh(values.T @ values)
        axes = np.ascontiguousarray(axes[:, ::-1][:, :AXES].astype(np.float32).astype(np.float64))
        return cls(axes, *as_whole_numbers(_coordinates(embeddings, axes)))

    def take(self, rows: Places) -> Self:
        return type(self)(self._axes, self._vectors[rows], self._scales[rows])

    def __call__(self, embeddings: NDArray[np.float32]) -> tuple[Places, Matrix]:
        """Places and shares (summing to one) of the nearest of these queries, most alike first."""
        vectors, scales = as_whole_numbers(_coordinates(embeddings, self._axes))
        cosines = similarities(vectors, scales, self._floats, self._scales)
        places, found = nearest(cosines, min(NEIGHBOURS, len(self)))
        powers = np.exp((found - found[:, :1]) / WIDTH)
        return places, np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"axes": self._axes.astype(np.float32), "vectors": self._vectors, "scales": self._scales}

    @classmethod
    def restore(cls, arrays: Arrays) -> Self:
        """Undo of `arrays`. Raises KeyError, ValueError."""
        return cls(arrays["axes"].astype(np.float64), arrays["vectors"].astype(np.int8), arrays["scales"])


def _coordinates(embeddings: NDArray[np.float32], axes: Matrix) -> NDArray[np.float32]:
    """Of length one along these axes."""
    rows = embeddings.astype(np.float64) @ axes
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), dtype=np.float32)
