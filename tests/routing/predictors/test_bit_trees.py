"""Tests of reading trees by bits, against the library that grew them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from routing.predictors.bit_trees import BitTrees
from skills.bit_trees import BITS, flatten


def grown(trees: int = 40) -> Any:
    """A LightGBM booster over five features, of which the last two will be the candidate's."""
    import lightgbm

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2000, 5))
    wanted = np.sin(2 * rows[:, 0]) * rows[:, 3] + (rows[:, 4] > 0.3) * rows[:, 1] + rows[:, 2]
    parameters = {"num_leaves": BITS - 1, "verbosity": -1, "num_threads": 1, "use_missing": False}
    return lightgbm.train(parameters, lightgbm.Dataset(rows, wanted), num_boost_round=trees)


def test_every_pair_gets_the_sum_that_the_library_says() -> None:
    booster = grown()
    rng = np.random.default_rng(1)
    queries, candidates = rng.normal(size=(30, 3)), rng.normal(size=(7, 2))
    pairs = np.hstack([np.repeat(queries, 7, axis=0), np.tile(candidates, (30, 1))])
    trees = BitTrees(flatten(booster.dump_model()["tree_info"]), query_features=3, candidate_features=2)
    np.testing.assert_allclose(trees.sums(queries, candidates).ravel(), booster.predict(pairs), rtol=0, atol=1e-12)


def test_trees_of_a_single_leaf_add_their_value_and_no_trees_add_nothing() -> None:
    leaf = {"tree_structure": {"leaf_value": 0.25}}
    queries, candidates = np.zeros((2, 3)), np.zeros((4, 2))
    two = BitTrees(flatten([leaf, leaf]), query_features=3, candidate_features=2)
    none = BitTrees(flatten([]), query_features=3, candidate_features=2)
    assert (two.sums(queries, candidates) == 0.5).all()
    assert (none.sums(queries, candidates) == 0.0).all()


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [("split_trees", 40, "it must be within 0 to 39"), ("split_features", -1, "it must be within 0 to 4")],
)
def test_splits_that_point_outside_are_refused(name: str, value: int, match: str) -> None:
    arrays = flatten(grown().dump_model()["tree_info"])
    arrays[name][3] = value
    with pytest.raises(ValueError, match=match):
        BitTrees(arrays, query_features=3, candidate_features=2)
