"""Kernels as explicit features: similarity to some landmarks, whitened (Nyström; Williams and Seeger, 2000).

A linear map of the features is one of the similarities too: whoever serves keeps that, and no whitening.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from routing.forecasts import Matrix

LEAST_EIGENVALUE = 1e-3  # smaller directions are noise

Shape = Literal["gauss", "cosine"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Landmarks:
    """`gauss`: exp(-|x - z|² / 2τ). `cosine`, of rows of length one: exp((x·z - 1) / τ)."""

    shape: Shape
    width: float  # τ
    points: NDArray[np.float32]  # landmarks × inputs

    def __call__(self, rows: Matrix) -> Matrix:
        """Similarities, rows × landmarks."""
        products = rows.astype(np.float32) @ self.points.T
        if self.shape == "cosine":
            return np.asarray(np.exp((products - 1) / self.width), dtype=np.float64)
        squares = (self.points**2).sum(axis=1)
        distances = np.maximum((rows**2).sum(axis=1)[:, None] + squares - 2 * products, 0)
        return np.asarray(np.exp(-distances / (2 * self.width)), dtype=np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Whitened:
    """Landmarks, and the map (landmarks × features) from similarities to features whose product is the kernel."""

    landmarks: Landmarks
    whitening: Matrix

    def __call__(self, rows: Matrix) -> Matrix:
        features: Matrix = self.landmarks(rows) @ self.whitening
        return features


def landmarks_of(rows: Matrix, shape: Shape, *, count: int, width: float, seed: int) -> Whitened:
    """`count` rows by chance, or all where there are fewer."""
    points = rows[np.random.default_rng(seed).permutation(len(rows))[:count]]
    landmarks = Landmarks(shape=shape, width=width, points=points.astype(np.float32))
    values, vectors = np.linalg.eigh(landmarks(points))
    is_kept = values > LEAST_EIGENVALUE
    is_kept[-1] = True
    return Whitened(landmarks=landmarks, whitening=vectors[:, is_kept] / np.sqrt(np.maximum(values[is_kept], 1e-9)))
