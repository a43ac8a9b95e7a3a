"""Gradient-boosted trees over pairs of query and candidate, fitted by LightGBM and served with numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from routing.cards import CandidateCard
from routing.dataset import Dataset
from routing.forecasts import Arrays, Inputs, Matrix
from routing.predictors.array_predictor import LengthPriced
from routing.predictors.bit_trees import BitTrees
from routing.predictors.costs import Amounts, log_lengths
from routing.predictors.factors import candidate_factors
from routing.predictors.means import candidate_means, check_learnable
from routing.predictors.principal import principal_axes, project
from skills.bit_trees import SHAPES, flatten
from skills.progress import Progress

AXES = 32
FACTORS = 4  # of each candidate: how it differs from the others, in what it gets right
TREES = 200  # at most; as many as the held-out queries want
USUAL_TREES = 30  # where too few queries are there to hold some out
LEAST_QUERIES = 50
HELD_OUT_SHARE = 0.15
PATIENCE = 20  # trees
UNKNOWN_PRICE = -1.0  # log(1 + price) is 0 or more
PARAMETERS: dict[str, object] = {
    "objective": "regression",
    "num_leaves": 15,
    "learning_rate": 0.1,
    "min_data_in_leaf": 20,
    "lambda_l2": 1.0,
    "use_missing": False,
    "feature_pre_filter": False,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


class BoostedTrees(LengthPriced):
    """quality = mean_c + trees(principal coordinates and length of the query; mean quality, prices, factors of c)."""

    kind = "gbt"
    shapes: ClassVar = {
        **LengthPriced.shapes,
        **SHAPES,
        "centre": ("dimension",),
        "axes": ("dimension", "coordinates"),
        "traits": ("candidates", 3 + FACTORS),
        "means": ("candidates",),
    }

    def __init__(self, candidates: Sequence[str], weights: Arrays, *, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(candidates, weights, options=options)
        axes, traits = self.weights["axes"].shape[1], self.weights["traits"].shape[1]
        self._trees = BitTrees(self.weights, query_features=axes + 1, candidate_features=traits)

    def quality(self, inputs: Inputs) -> Matrix:
        queries = query_features(inputs, self.weights["centre"], self.weights["axes"])
        quality: Matrix = self.weights["means"] + self._trees.sums(queries, self.weights["traits"])
        return quality


def query_features(inputs: Inputs, centre: NDArray[np.float64], axes: NDArray[np.float64]) -> Matrix:
    """Queries × (axes + 1)."""
    return np.column_stack([project(inputs.embeddings, centre, axes), log_lengths(inputs.texts)])


def candidate_traits(cards: Sequence[CandidateCard], means: NDArray[np.float64], factors: Matrix) -> Matrix:
    """Candidates × (mean quality, logarithms of both prices, factors); `factors` is rank × candidates."""
    prices = [[card.price_input_usd_per_mtok, card.price_output_usd_per_mtok] for card in cards]
    logs = [[UNKNOWN_PRICE if price is None else float(np.log1p(price)) for price in pair] for pair in prices]
    few = np.zeros((FACTORS, len(cards)))
    few[: len(factors)] = factors[:FACTORS]
    return np.column_stack([means, np.array(logs), few.T])


def fit(data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress) -> BoostedTrees:
    """Raises InvalidInput where no quality is known. `seed` says which queries the number of trees is judged on."""
    check_learnable(data, inputs)
    means = candidate_means(data.quality)
    centre, axes = principal_axes(inputs.embeddings, AXES)
    traits = candidate_traits(data.cards, means, candidate_factors(data.quality - means))
    cells = _Cells(query_features(inputs, centre, axes), traits, data.quality - means)
    on_progress(0, 2, "number of trees")
    count = _tree_count(cells, seed=seed)
    on_progress(1, 2, f"{count} trees")
    trees = cells.boost(np.arange(len(data)), count).dump_model()["tree_info"] if count else []
    on_progress(2, 2, "done")
    weights = {**flatten(trees), "centre": centre, "axes": axes, "traits": traits, "means": means}
    return BoostedTrees.priced(data.candidates, weights, Amounts.fit(data))


class _Cells:
    """The known pairs as rows of one table."""

    def __init__(self, queries: Matrix, traits: Matrix, rest: Matrix) -> None:
        """`rest`: quality less the candidate's mean."""
        self._queries, self._traits, self.rest = queries, traits, rest

    def table(self, rows: NDArray[np.int64]) -> tuple[Matrix, NDArray[np.float64]]:
        places, columns = np.nonzero(~np.isnan(self.rest[rows]))
        places = rows[places]
        return np.hstack([self._queries[places], self._traits[columns]]), self.rest[places, columns]

    def boost(self, rows: NDArray[np.int64], trees: int, held_out: NDArray[np.int64] | None = None) -> Any:
        """A LightGBM booster; with `held_out` it stops when these no longer get better."""
        import lightgbm

        values, wanted = self.table(rows)
        train = lightgbm.Dataset(values, wanted, params=PARAMETERS)
        if held_out is None:
            return lightgbm.train(PARAMETERS, train, num_boost_round=trees)
        judged = lightgbm.Dataset(*self.table(held_out), reference=train, params=PARAMETERS)
        stop = lightgbm.early_stopping(PATIENCE, verbose=False)
        return lightgbm.train(PARAMETERS, train, num_boost_round=trees, valid_sets=[judged], callbacks=[stop])


def _tree_count(cells: _Cells, *, seed: int) -> int:
    queries = np.flatnonzero(~np.isnan(cells.rest).all(axis=1))
    if len(queries) < LEAST_QUERIES:
        return USUAL_TREES
    shuffled = np.random.default_rng(seed).permutation(queries)
    held_out, rest = np.split(shuffled, [round(HELD_OUT_SHARE * len(queries))])
    return int(cells.boost(np.sort(rest), TREES, np.sort(held_out)).best_iteration)
