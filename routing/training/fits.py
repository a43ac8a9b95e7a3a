"""Fits routers by name on the same data, one after the other."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from routing.dataset import Dataset
from routing.forecasts import Inputs, Predictor
from routing.training.registry import trainer
from skills.progress import Progress, no_progress


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """A router, how long its fitting took, and on which node of a cluster."""

    predictor: Predictor
    seconds: float
    node: str = ""  # empty: in this process


class FitAll(Protocol):
    """Fits routers by name on the same data: one after the other here, side by side on Ray."""

    def __call__(
        self, names: Sequence[str], data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress
    ) -> Mapping[str, Fitted]: ...


def fit_in_turn(
    names: Sequence[str], data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress
) -> dict[str, Fitted]:
    """See `FitAll`."""
    name_to_fitted: dict[str, Fitted] = {}
    for place, name in enumerate(names):
        on_progress(place, len(names), "routers fitted")
        name_to_fitted[name] = fit_one(name, data, inputs, seed=seed, on_progress=on_progress)
    on_progress(len(names), len(names), "routers fitted")
    return name_to_fitted


def fit_one(name: str, data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress = no_progress) -> Fitted:
    """Raises UnknownRouter, InvalidInput."""
    fit, began = trainer(name), time.perf_counter()
    what_to_total: dict[str, int] = {}

    def heard(done: int, total: int, what: str) -> None:
        what_to_total[what] = total
        on_progress(done, total, what)

    predictor = fit(data, inputs, seed=seed, on_progress=heard)
    for what, total in what_to_total.items():  # whoever stopped early is done, too
        on_progress(total, total, what)
    return Fitted(predictor=predictor, seconds=time.perf_counter() - began)
