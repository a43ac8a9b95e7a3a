"""A trained router with newcomers, each forecast as a mixture of the candidates that the router knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from routing.forecasts import Arrays, Forecast, Inputs, Matrix, Predictor
from routing.predictors.registry import predictor_class

BASE = "base."
SMALLEST_AMOUNT = 1e-12  # so that a free candidate has a logarithm
AMOUNTS = ("cost_usd", "latency_seconds", "energy_joules")


class Adapted(Predictor):
    """q̂_new(x) = o + Σ_c γ_c q̂_c(x), held within [0, 1]; amount_new(x) = s · the known candidates' geometric mean.

    `weights`: `mixing` (known × new), `offsets` (new), and for each amount `<name>_scales` (new).
    """

    kind = "adapted"

    def __init__(self, base: Predictor, newcomers: Sequence[str], weights: Arrays) -> None:
        """Raises KeyError or ValueError where an array is missing or has another shape."""
        self.base = base
        self.newcomers = tuple(newcomers)
        self.weights = {name: np.array(weights[name], dtype=np.float64) for name in names_of_weights()}
        known, new = len(base.candidates), len(self.newcomers)
        for name, array in self.weights.items():
            wanted = (known, new) if name == "mixing" else (new,)
            if array.shape != wanted:
                raise ValueError(f"adapted: array {name!r} has shape {array.shape}; it must be {wanted}.")
        both = (*base.candidates, *self.newcomers)
        self._order = sorted(range(len(both)), key=both.__getitem__)
        self._candidates = tuple(both[place] for place in self._order)

    @property
    def candidates(self) -> tuple[str, ...]:
        return self._candidates

    def predict(self, inputs: Inputs) -> Forecast:
        known = self.base.predict(inputs)
        quality = np.clip(self.weights["offsets"] + known.quality @ self.weights["mixing"], 0.0, 1.0)
        return Forecast(
            quality=self._joined(known.quality, quality),
            cost_usd=self._joined(known.cost_usd, self._amount("cost_usd", known.cost_usd)),
            latency_seconds=self._whole("latency_seconds", known.latency_seconds),
            energy_joules=self._whole("energy_joules", known.energy_joules),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {**self.weights, **{BASE + name: array for name, array in self.base.arrays().items()}}

    def settings(self) -> dict[str, object]:
        return {
            "newcomers": list(self.newcomers),
            "base_kind": self.base.kind,
            "base_settings": self.base.settings(),
        }

    @classmethod
    def restore(cls, arrays: Arrays, settings: Mapping[str, Any]) -> Self:
        inner = {name.removeprefix(BASE): array for name, array in arrays.items() if name.startswith(BASE)}
        base = predictor_class(settings["base_kind"]).restore(inner, settings["base_settings"])
        return cls(base, settings["newcomers"], arrays)

    def _whole(self, name: str, known: Matrix | None) -> Matrix | None:
        return None if known is None else self._joined(known, self._amount(name, known))

    def _amount(self, name: str, known: Matrix) -> Matrix:
        return usual_amount(known)[:, None] * self.weights[f"{name}_scales"]

    def _joined(self, known: Matrix, new: Matrix) -> Matrix:
        return np.concatenate([known, new], axis=1)[:, self._order]


def names_of_weights() -> tuple[str, ...]:
    return ("mixing", "offsets", *(f"{name}_scales" for name in AMOUNTS))


def usual_amount(known: Matrix) -> NDArray[np.float64]:
    """What a query usually takes: the geometric mean over candidates, one a row."""
    usual: NDArray[np.float64] = np.exp(np.log(np.maximum(known, SMALLEST_AMOUNT)).mean(axis=1))
    return usual
