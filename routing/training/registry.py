"""Names of routers to the function that fits one; nothing is imported until named."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from routing.dataset import Dataset
from routing.errors import UnknownRouter
from routing.forecasts import Inputs, Predictor
from routing.registry import unknown
from skills.progress import Progress

TRAINERS = {
    "best_single": "routing.predictors.best_single:fit",
    "cheapest": "routing.predictors.cheapest:fit",
    "elo": "routing.predictors.elo:fit",
    "gbt": "routing.predictors.boosted_trees:fit",
    "graph": "routing.training.graph:fit",
    "knn": "routing.predictors.nearest:fit",
    "kernel": "routing.predictors.kernel:fit",
    "linucb": "routing.predictors.linucb_replay:fit",
    "mf": "routing.predictors.factors:fit",
    "mlp": "routing.predictors.perceptron:fit",
    "ridge": "routing.predictors.ridge:fit",
    "stack": "routing.training.stacking:fit",
    "table": "routing.predictors.task_table:fit",
}
AUTO = "auto"  # the best of the learned ones on dev


class Fit(Protocol):
    """Learns from `data` (its quality has at least one known cell), whose queries `inputs` shows in the same order.

    All rows of `data` are for learning: a trainer that stops early or calibrates holds some of them out itself. The
    same data and seed give the same arrays, bit by bit.
    """

    def __call__(self, data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress) -> Predictor: ...


def trainer(name: str) -> Fit:
    """Raises UnknownRouter, which names the nearest."""
    if name not in TRAINERS:
        raise UnknownRouter(unknown("router", name, [AUTO, *TRAINERS]))
    module, _, function = TRAINERS[name].partition(":")
    return cast(Fit, getattr(import_module(module), function))
