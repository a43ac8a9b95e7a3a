"""What the simple predictors share: named arrays and a few settings, saved and restored without a word from them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from routing.forecasts import Arrays, Forecast, Inputs, Matrix, Predictor
from routing.predictors.costs import Amounts

CANDIDATES = "candidates"


class ArrayPredictor(Predictor):
    """`shapes` names the arrays and their sizes: a number, or a name, and what bears the same name has the same size.

    The size of a name that is an option's too, whose value is a list, is the length of that list.

    Raises KeyError for an array that is not there, ValueError for one of another shape.
    """

    shapes: ClassVar[Mapping[str, tuple[str | int, ...]]]

    def __init__(self, candidates: Sequence[str], weights: Arrays, *, options: Mapping[str, Any] | None = None) -> None:
        self._candidates = tuple(candidates)
        self.weights = {name: np.array(weights[name], order="C") for name in self.shapes}
        self.options = dict(options or {})
        self._check_shapes()

    @property
    def candidates(self) -> tuple[str, ...]:
        return self._candidates

    def arrays(self) -> dict[str, NDArray[Any]]:
        return dict(self.weights)

    def settings(self) -> dict[str, object]:
        return {**self.options, CANDIDATES: list(self._candidates)}

    @classmethod
    def restore(cls, arrays: Arrays, settings: Mapping[str, Any]) -> Self:
        options = {name: value for name, value in settings.items() if name != CANDIDATES}
        return cls(settings[CANDIDATES], arrays, options=options)

    def _check_shapes(self) -> None:
        sizes: dict[str | int, int] = {CANDIDATES: len(self._candidates)}
        sizes |= {name: len(value) for name, value in self.options.items() if isinstance(value, list)}
        for name, expected in self.shapes.items():
            shape = self.weights[name].shape
            wanted = tuple(
                size if isinstance(size, int) else sizes.setdefault(size, found)
                for size, found in zip(expected, shape, strict=False)
            )
            if len(shape) != len(expected) or wanted != shape:
                raise ValueError(f"{self.kind}: array {name!r} has shape {shape}; it must be {expected} with {sizes}.")


class Constant(ArrayPredictor):
    """Forecasts the same for every query, whatever it says."""

    shapes: ClassVar = {"quality": (CANDIDATES,), "cost_usd": (CANDIDATES,)}

    def predict(self, inputs: Inputs) -> Forecast:
        shape = (len(inputs), len(self.candidates))
        return Forecast(
            quality=np.broadcast_to(self.weights["quality"], shape).copy(),
            cost_usd=np.broadcast_to(self.weights["cost_usd"], shape).copy(),
        )


class LengthPriced(ArrayPredictor):
    """Forecasts quality its own way, and amounts by the length of the text."""

    shapes: ClassVar = {
        "amount_levels": ("amounts", CANDIDATES),
        "amount_slopes": ("amounts", CANDIDATES),
        "amount_lengths": (3,),
    }

    def __init__(self, candidates: Sequence[str], weights: Arrays, *, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(candidates, weights, options=options)
        self._amounts = Amounts.restore(self.weights, self.options["amounts"])

    @classmethod
    def priced(
        cls, candidates: Sequence[str], weights: Arrays, amounts: Amounts, *, options: Mapping[str, Any] | None = None
    ) -> Self:
        """A predictor with these amounts beside its own arrays and options."""
        return cls(
            candidates,
            {**weights, **amounts.arrays()},
            options={**(options or {}), "amounts": list(amounts.names)},
        )

    def predict(self, inputs: Inputs) -> Forecast:
        return Forecast(quality=np.clip(self.quality(inputs), 0.0, 1.0), **self._amounts.predict(inputs.texts))

    @abstractmethod
    def quality(self, inputs: Inputs) -> Matrix:
        """Queries × candidates; held within [0, 1] by the caller."""
