"""Kernels as explicit features: similarity to some landmarks, whitened (Nyström; Williams and Seeger, 2000)."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from routing.forecasts import Arrays, Matrix

LEAST_EIGENVALUE = 1e-3  # smaller directions are noise

Shape = Literal["gauss", "cosine"]


class Landmarks:
    """`gauss`: exp(-|x - z|² / 2τ). `cosine`, of rows of length one: exp((x·z - 1) / τ)."""

    def __init__(self, shape: Shape, width: float, points: Matrix, whitening: Matrix) -> None:
        """`points`: landmarks × inputs. `whitening`: landmarks × features."""
        if points.ndim != 2 or whitening.ndim != 2 or len(points) != len(whitening):
            raise ValueError(f"Landmarks {points.shape} do not fit their whitening {whitening.shape}.")
        self._shape: Shape = shape
        self._width = width
        self._points, self._whitening = points, whitening
        self._squares = (points**2).sum(axis=1)

    @property
    def dimension(self) -> int:
        return int(self._whitening.shape[1])

    @classmethod
    def fit(cls, shape: Shape, rows: Matrix, *, count: int, width: float, seed: int) -> Self:
        points = rows[np.random.default_rng(seed).permutation(len(rows))[:count]]
        raw = cls(shape, width, points, np.zeros((len(points), 0)))._similarity(points)
        values, vectors = np.linalg.eigh(raw)
        is_kept = values > LEAST_EIGENVALUE
        is_kept[-1] = True
        return cls(shape, width, points, vectors[:, is_kept] / np.sqrt(np.maximum(values[is_kept], 1e-9)))

    def __call__(self, rows: Matrix) -> Matrix:
        """Rows × `dimension`."""
        features: Matrix = self._similarity(rows) @ self._whitening
        return features

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"points": self._points.astype(np.float32), "whitening": self._whitening.astype(np.float32)}

    @classmethod
    def restore(cls, shape: Shape, width: float, arrays: Arrays) -> Self:
        """Undo of `arrays`. Raises KeyError, ValueError."""
        return cls(shape, width, arrays["points"].astype(np.float64), arrays["whitening"].astype(np.float64))

    def _similarity(self, rows: Matrix) -> Matrix:
        products = rows @ self._points.T
        if self._shape == "cosine":
            return np.asarray(np.exp((products - 1) / self._width))
        distances = np.maximum((rows**2).sum(axis=1)[:, None] + self._squares - 2 * products, 0)
        return np.asarray(np.exp(-distances / (2 * self._width)))
