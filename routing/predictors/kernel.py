"""Corrects the table by similarity of queries: kernel ridge regression over landmarks, on what the table left over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from routing.dataset import Dataset
from routing.forecasts import Arrays, Inputs, Matrix
from routing.predictors.corrected import Correction, Kernel, Shift
from routing.predictors.ground_fitting import Fitted, fit_groundwork
from routing.predictors.groundwork import Ground, part, prefixed
from routing.predictors.kernels import Landmarks, landmarks_of
from skills.progress import Progress

LANDMARKS = 500
WIDTH = 0.3
TASK_WEIGHT = 0.7  # of the task mixture beside features of length one
RIDGE = 8.0  # weaker ones, as cross-validation of the squared error would choose, made worse choices on small sets
WEIGHT = 0.8
LEAST_FACTOR, MOST_FACTOR = 0.1, 10.0  # of a cost


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """Queries to shifts: k(x) A + a for quality, 1 + k(x) B + b for cost."""

    landmarks: Landmarks
    centre: NDArray[np.float64]  # of the features
    weights: Matrix  # landmarks × 2 candidates: quality, then cost
    offsets: NDArray[np.float64]

    @classmethod
    def fit(cls, ground: Ground, data: Dataset, *, seed: int) -> Self:
        centre = ground.features.mean(axis=0)
        points = _points(ground, centre)
        kernel = landmarks_of(points, "cosine", count=LANDMARKS, width=WIDTH, seed=seed)
        is_known, is_priced = ~np.isnan(data.quality), ~np.isnan(data.cost_usd) & (ground.cost_usd > 0)
        left = np.where(is_known, data.quality - ground.quality, 0.0)
        dearer = np.where(is_priced, data.cost_usd, 1.0) / np.where(is_priced, ground.cost_usd, 1.0) - 1
        rows, targets = kernel(points), np.concatenate([left, dearer], axis=1)
        means, target_means = rows.mean(axis=0), targets.mean(axis=0)
        centred = rows - means
        weights = np.linalg.solve(
            centred.T @ centred + RIDGE * np.eye(rows.shape[1]), centred.T @ (targets - target_means)
        )
        return cls(
            landmarks=kernel.landmarks,
            centre=centre,
            weights=kernel.whitening @ weights,
            offsets=target_means - means @ weights,
        )

    def shift(self, ground: Ground) -> Shift:
        found = self.landmarks(_points(ground, self.centre)) @ self.weights + self.offsets
        quality, cost = np.split(found, 2, axis=1)
        return Shift(quality=quality, cost=np.clip(1 + cost, LEAST_FACTOR, MOST_FACTOR))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "centre": self.centre,
            "landmarks": self.landmarks.points,
            "weights": self.weights,
            "offsets": self.offsets,
        }

    @classmethod
    def restore(cls, arrays: Arrays) -> Self:
        """Undo of `arrays`. Raises KeyError, ValueError."""
        head = cls(
            landmarks=Landmarks(shape="cosine", width=WIDTH, points=arrays["landmarks"].astype(np.float32)),
            centre=arrays["centre"].astype(np.float64),
            weights=arrays["weights"].astype(np.float64),
            offsets=arrays["offsets"].astype(np.float64),
        )
        if head.weights.shape != (len(head.landmarks.points), len(head.offsets)):
            raise ValueError(f"Weights of shape {head.weights.shape} do not fit the kernel.")
        return head


class KernelCorrection(Correction):
    """Two heads: for queries whose task the caller named, and for those whose task is a posterior."""

    kind = "kernel"

    def __init__(self, told: Head, unseen: Head) -> None:
        self._told, self._unseen = told, unseen

    @classmethod
    def fit(cls, fitted: Fitted, data: Dataset, *, seed: int) -> Self:
        return cls(Head.fit(fitted.told, data, seed=seed), Head.fit(fitted.unseen, data, seed=seed))

    def shift(self, ground: Ground, inputs: Inputs) -> Shift:
        if not ground.is_told.any():
            return self._unseen.shift(ground)
        told, unseen = self._told.shift(ground), self._unseen.shift(ground)
        is_told = ground.is_told[:, None]
        return Shift(
            quality=np.where(is_told, told.quality, unseen.quality), cost=np.where(is_told, told.cost, unseen.cost)
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {**prefixed("told.", self._told.arrays()), **prefixed("unseen.", self._unseen.arrays())}

    @classmethod
    def restore(cls, arrays: Arrays) -> Self:
        return cls(Head.restore(part(arrays, "told.")), Head.restore(part(arrays, "unseen.")))


def fit(data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress) -> Kernel:
    """See `training.registry.Fit`."""
    fitted = fit_groundwork(data, inputs, seed=seed, on_progress=on_progress)
    correction = KernelCorrection.fit(fitted, data, seed=seed)
    return Kernel(data.candidates, fitted.groundwork, {"kernel": correction}, {"kernel": WEIGHT}).settled()


def _points(ground: Ground, centre: NDArray[np.float64]) -> Matrix:
    """Rows of length one: features beside the task mixture."""
    joined = np.concatenate([_unit(ground.features - centre), ground.tasks * TASK_WEIGHT], axis=1)
    return _unit(joined)


def _unit(rows: Matrix) -> Matrix:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9))
