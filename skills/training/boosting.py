"""Fits trees that order the candidates of each list: LambdaMART (Burges, 2010), by LightGBM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skills.bit_trees import flatten
from skills.progress import Progress, no_progress
from skills.ranking.base import Floats

TREES_AT_ONCE = 10  # between two words of progress


@dataclass(frozen=True, kw_only=True)
class BoostingSettings:
    """How the trees are fitted."""

    trees: int = 400  # at most; as many as held-out skills want
    leaves: int = 15
    rate: float = 0.06
    least_in_leaf: int = 100
    feature_share: float = 0.4
    row_share: float = 0.8
    decay: float = 5.0
    truncation: int = 10  # places of the list whose order is learned
    threads: int = 1  # so that sums are made in one order


def fit_trees(
    features: Floats,
    labels: NDArray[np.int8],
    sizes: NDArray[np.int64],
    settings: BoostingSettings,
    *,
    seed: int,
    start: Floats | None = None,
    on_progress: Progress = no_progress,
) -> dict[str, NDArray[Any]]:
    """Arrays as `skills.bit_trees.SHAPES`. `sizes`: candidates of each list, in the order of the rows.

    `start`: the score that each candidate has before the first tree; None: 0.
    """
    import lightgbm

    parameters: dict[str, object] = {
        "objective": "lambdarank",
        "num_leaves": settings.leaves,
        "learning_rate": settings.rate,
        "min_data_in_leaf": min(settings.least_in_leaf, max(1, len(labels) // 50)),
        "feature_fraction": settings.feature_share,
        "bagging_fraction": settings.row_share,
        "bagging_freq": 1,
        "lambda_l2": settings.decay,
        "lambdarank_truncation_level": settings.truncation,
        "max_bin": 127,
        "use_missing": False,
        "feature_pre_filter": False,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": settings.threads,
        "seed": seed,
        "verbosity": -1,
    }

    def told(environment: Any) -> None:
        done = environment.iteration + 1
        if done % TREES_AT_ONCE == 0 or done == settings.trees:
            on_progress(done, settings.trees, "growing trees")

    data = lightgbm.Dataset(features, labels.astype(np.int32), group=sizes, init_score=start, params=parameters)
    booster = lightgbm.train(parameters, data, num_boost_round=settings.trees, callbacks=[told])
    return flatten(booster.dump_model()["tree_info"])


def some_trees(arrays: Mapping[str, NDArray[Any]], *, first: int, last: int) -> dict[str, NDArray[Any]]:
    """Those from `first` to before `last`."""
    own = (arrays["split_trees"] >= first) & (arrays["split_trees"] < last)
    splits = {name: array[own] for name, array in arrays.items() if name != "leaves"}
    return {**splits, "split_trees": splits["split_trees"] - first, "leaves": arrays["leaves"][first:last]}
