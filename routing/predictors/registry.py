"""Names of predictors to `module:Class`, for restoring saved ones; nothing is imported until named."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from routing.errors import UnknownRouter
from routing.forecasts import Predictor
from routing.registry import unknown

PREDICTORS = {
    "adapted": "routing.predictors.adapted:Adapted",
    "best_single": "routing.predictors.best_single:BestSingle",
    "cheapest": "routing.predictors.cheapest:Cheapest",
    "elo": "routing.predictors.elo:Elo",
    "gbt": "routing.predictors.boosted_trees:BoostedTrees",
    "graph": "routing.predictors.corrected:Graph",
    "knn": "routing.predictors.nearest:Nearest",
    "linucb": "routing.predictors.linucb_replay:LinUCBReplay",
    "mf": "routing.predictors.factors:Factors",
    "mlp": "routing.predictors.perceptron:Perceptron",
    "ridge": "routing.predictors.ridge:RidgeRegression",
    "kernel": "routing.predictors.corrected:Kernel",
    "stack": "routing.predictors.corrected:Stack",
    "table": "routing.predictors.task_table:TaskTable",
}


def predictor_class(kind: str) -> type[Predictor]:
    """Raises UnknownRouter, which names the nearest."""
    if kind not in PREDICTORS:
        raise UnknownRouter(unknown("router", kind, PREDICTORS))
    module, _, name = PREDICTORS[kind].partition(":")
    return cast("type[Predictor]", getattr(import_module(module), name))
