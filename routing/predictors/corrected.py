"""The learned routers: a table by task, and learned corrections of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray

from routing.forecasts import Arrays, Forecast, Inputs, Matrix, Predictor
from routing.predictors.groundwork import Ground, Groundwork, part, prefixed

MARGIN = 0.02  # within this of 0 and 1 a forecast of quality bends, so that two never tie by being cut off
CORRECTIONS = {
    "graph": "routing.predictors.graph:GraphCorrection",
    "kernel": "routing.predictors.kernel:KernelCorrection",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Shift:
    """What a correction would change: quality by adding, cost by multiplying; queries × candidates."""

    quality: Matrix
    cost: Matrix


class Correction(ABC):
    """Learned from how outcomes differ from the table."""

    kind: ClassVar[str]

    @abstractmethod
    def shift(self, ground: Ground, inputs: Inputs) -> Shift: ...

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]: ...

    @classmethod
    @abstractmethod
    def restore(cls, arrays: Arrays) -> Self:
        """Undo of `arrays`. Raises KeyError, ValueError."""


class Corrected(Predictor):
    """q̂ = table + Σ_m w_m Δq_m, ĉ = table · Π_m f_m^{w_m}; latency and energy are the table's."""

    def __init__(
        self,
        candidates: tuple[str, ...],
        groundwork: Groundwork,
        corrections: Mapping[str, Correction],
        weights: Mapping[str, float],
    ) -> None:
        """`weights`: one a correction."""
        if set(corrections) != set(weights):
            raise ValueError(f"Corrections {sorted(corrections)} have weights for {sorted(weights)}.")
        if groundwork.tables["quality"].shape[1] != len(candidates):
            raise ValueError(f"The table is not one of {len(candidates)} candidates.")
        self._candidates = candidates
        self.groundwork = groundwork
        self.corrections = dict(sorted(corrections.items()))
        self.weights = {name: float(weights[name]) for name in self.corrections}

    @property
    def candidates(self) -> tuple[str, ...]:
        return self._candidates

    def predict(self, inputs: Inputs) -> Forecast:
        ground = self.groundwork.ground(inputs)
        quality, cost = ground.quality, ground.cost_usd
        for name, correction in self.corrections.items():
            shift = correction.shift(ground, inputs)
            quality = quality + self.weights[name] * shift.quality
            cost = cost * shift.cost ** self.weights[name]
        tables = self.groundwork.tables
        return Forecast(
            quality=bent(quality),
            cost_usd=cost,
            latency_seconds=ground.tasks @ tables["latency_seconds"] if "latency_seconds" in tables else None,
            energy_joules=ground.tasks @ tables["energy_joules"] if "energy_joules" in tables else None,
        )

    def settled(self) -> Self:
        """As it will be after saving and loading, which rounds: for fits, so that both forecast alike bit by bit."""
        return type(self).restore(self.arrays(), self.settings())

    def arrays(self) -> dict[str, NDArray[Any]]:
        named = prefixed("ground.", self.groundwork.arrays())
        for name, correction in self.corrections.items():
            named |= prefixed(f"{name}.", correction.arrays())
        return named

    def settings(self) -> dict[str, object]:
        return {
            "candidates": list(self.candidates),
            "groundwork": self.groundwork.settings(),
            "weights": self.weights,
        }

    @classmethod
    def restore(cls, arrays: Arrays, settings: Mapping[str, Any]) -> Self:
        weights = settings["weights"]
        return cls(
            tuple(settings["candidates"]),
            Groundwork.restore(part(arrays, "ground."), settings["groundwork"]),
            {name: _correction(name).restore(part(arrays, f"{name}.")) for name in weights},
            weights,
        )


class Kernel(Corrected):
    """The table and the kernel's correction."""

    kind = "kernel"


class Graph(Corrected):
    """The table and the graph network's correction."""

    kind = "graph"


class Stack(Corrected):
    """The table and both corrections."""

    kind = "stack"


def bent(quality: Matrix) -> Matrix:
    """Into (0, 1), strictly increasing; what lies `MARGIN` inside stays as it is."""
    high, low = 1 - MARGIN, MARGIN
    over, under = np.maximum(quality - high, 0.0), np.maximum(low - quality, 0.0)
    inside = np.clip(quality, low, high)
    return np.asarray(inside + MARGIN * over / (over + MARGIN) - MARGIN * under / (under + MARGIN))


def _correction(kind: str) -> type[Correction]:
    module, _, name = CORRECTIONS[kind].partition(":")
    return cast("type[Correction]", getattr(import_module(module), name))
