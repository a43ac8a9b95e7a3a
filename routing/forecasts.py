"""The interface of trained routers: Inputs (texts) to a Forecast (queries × candidates)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]  # queries × candidates unless said otherwise
Arrays = Mapping[str, NDArray[Any]]
# What arithmetic of arrays that do not fit raises in `Predictor.predict`.
PREDICTOR_ERRORS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True, kw_only=True, eq=False)
class Inputs:
    """Queries as a predictor sees them."""

    texts: tuple[str, ...]
    embeddings: NDArray[np.float32]  # queries × dimension, rows of length one, of `features.excerpt(text)`
    tasks: tuple[str | None, ...]  # None: the caller did not say

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: NDArray[np.int64] | Sequence[int]) -> Inputs:
        """The queries at these places, in this order."""
        places = [int(row) for row in rows]
        return Inputs(
            texts=tuple(self.texts[row] for row in places),
            embeddings=self.embeddings[places],
            tasks=tuple(self.tasks[row] for row in places),
        )

    def without_tasks(self) -> Inputs:
        return Inputs(texts=self.texts, embeddings=self.embeddings, tasks=(None,) * len(self.texts))

    @cached_property
    def has_tasks(self) -> bool:
        return any(task is not None for task in self.tasks)


@dataclass(frozen=True, kw_only=True, eq=False)
class Forecast:
    """What each candidate (column, in the order of the predictor's `candidates`) is expected to do with each query."""

    quality: Matrix  # in [0, 1]
    cost_usd: Matrix  # zeros where the data held no costs
    latency_seconds: Matrix | None = None  # None: the data held none
    energy_joules: Matrix | None = None


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Means over training queries of the best single candidate (highest mean quality): what costs are measured in."""

    candidate: str
    quality: float
    cost_usd: float  # 0: the data held no costs, or all were zero
    latency_seconds: float | None = None
    energy_joules: float | None = None


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What a user wants: u = α q̂ - β ĉ/c_ref - μ l̂/l_ref - ν ê/e_ref (as in Tryage's flags, arXiv:2308.11601)."""

    quality: float = 1.0
    cost: float = 0.0
    latency: float = 0.0
    energy: float = 0.0


class Predictor(ABC):
    """Predicts with plain arrays; reads no file, makes no call, knows no torch."""

    kind: str  # its name in the registry

    @property
    @abstractmethod
    def candidates(self) -> tuple[str, ...]:
        """Ids in alphabetical order: the columns of every forecast."""

    @abstractmethod
    def predict(self, inputs: Inputs) -> Forecast:
        """A row's forecast is the same alone and in any batch (up to rounding), whatever order candidates came in."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a snapshot must keep, beside `settings`; no object arrays, no NaN."""

    @abstractmethod
    def settings(self) -> dict[str, object]:
        """JSON values: everything that is not an array."""

    @classmethod
    @abstractmethod
    def restore(cls, arrays: Arrays, settings: Mapping[str, Any]) -> Self:
        """Undo of `arrays` and `settings`. Raises KeyError, ValueError or TypeError where they do not fit."""


def utility(forecast: Forecast, weights: Weights, reference: Reference) -> Matrix:
    """ALGORITHMS section 1's u, queries × candidates. A term without data or reference counts as zero."""
    total = weights.quality * forecast.quality
    for weight, amounts, unit in (
        (weights.cost, forecast.cost_usd, reference.cost_usd),
        (weights.latency, forecast.latency_seconds, reference.latency_seconds),
        (weights.energy, forecast.energy_joules, reference.energy_joules),
    ):
        if weight and amounts is not None and unit:
            total = total - weight * amounts / unit
    return total


TIE_TOLERANCE = 1e-6  # utilities this near are alike: more than rounding moves them between batches


def choose(utilities: Matrix, cost_usd: Matrix, *, allowed: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """The best column of each row; among ties the cheapest, then the first (candidates stand in alphabetical order).

    `allowed`: queries × candidates; a row that allows nobody gets -1.
    """
    open_to = np.ones(utilities.shape, dtype=bool) if allowed is None else allowed
    masked = np.where(open_to, utilities, -np.inf)
    best = masked.max(axis=1, keepdims=True)
    is_tied = open_to & (masked >= best - TIE_TOLERANCE)
    chosen = np.where(is_tied, cost_usd, np.inf).argmin(axis=1)
    return np.where(open_to.any(axis=1), chosen, -1)
