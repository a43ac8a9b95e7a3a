"""Principal axes: the few directions in which embeddings differ most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def principal_axes(embeddings: NDArray[np.float32], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The centre, and dimension × (at most `count`) axes scaled so that each coordinate has variance one.

    Axes along which nothing varies are left out; each axis points where its largest entry is positive.
    """
    values = embeddings.astype(np.float64)
    centre = values.mean(axis=0)
    spread, axes = np.linalg.eigh((values - centre).T @ (values - centre) / len(values))
    spread, axes = spread[::-1][:count], axes[:, ::-1][:, :count]
    lives = spread > 1e-8
    spread, axes = spread[lives], axes[:, lives]
    if axes.shape[1]:
        axes = axes * np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None, :], axis=0))
    return centre, axes / np.sqrt(spread)


def project(
    embeddings: NDArray[np.float32], centre: NDArray[np.float64], axes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Queries × axes."""
    coordinates: NDArray[np.float64] = (embeddings.astype(np.float64) - centre) @ axes
    return coordinates
