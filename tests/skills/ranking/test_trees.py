"""Trees as bits give what LightGBM gives."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pytest

from skills.bit_trees import flatten
from skills.ranking.trees import Trees

ROWS = np.random.default_rng(0).normal(size=(800, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def booster() -> Any:
    wanted = ROWS[:, 0] * ROWS[:, 1] + np.sin(3 * ROWS[:, 2])
    parameters = {"num_leaves": 15, "use_missing": False, "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5}
    return lightgbm.train(parameters, lightgbm.Dataset(ROWS, wanted, params=parameters), num_boost_round=40)


def test_sums_are_those_of_the_library(booster: Any) -> None:
    trees = Trees(flatten(booster.dump_model()["tree_info"]), features=6)
    assert np.allclose(trees.sums(ROWS), booster.predict(ROWS), atol=1e-5)


def test_value_at_a_threshold_goes_the_library_s_way(booster: Any) -> None:
    arrays = flatten(booster.dump_model()["tree_info"])
    rows = np.zeros((len(arrays["split_thresholds"]), 6), dtype=np.float32)
    rows[np.arange(len(rows)), arrays["split_features"]] = arrays["split_thresholds"].astype(np.float32)
    assert np.allclose(Trees(arrays, features=6).sums(rows), booster.predict(rows), atol=1e-5)


def test_trees_without_splits_and_no_trees_are_fine() -> None:
    leaf = {"tree_structure": {"leaf_value": 2.5}}
    assert Trees(flatten([leaf, leaf]), features=1).sums(np.zeros((3, 1), dtype=np.float32)).tolist() == [5, 5, 5]
    assert Trees(flatten([]), features=1).sums(np.zeros((3, 1), dtype=np.float32)).tolist() == [0, 0, 0]
    assert Trees(flatten([leaf]), features=1).sums(np.zeros((0, 1), dtype=np.float32)).shape == (0,)


@pytest.mark.parametrize("rows", [np.zeros((2, 5)), np.full((2, 6), np.nan), np.full((2, 6), np.inf), np.zeros(6)])
def test_rows_of_another_width_or_not_finite_are_refused(booster: Any, rows: np.ndarray) -> None:
    with pytest.raises(ValueError, match="finite ones of 6 features"):
        Trees(flatten(booster.dump_model()["tree_info"]), features=6).sums(rows.astype(np.float32))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("split_features", np.array([6]), "within 0 to 5"),
        ("split_trees", np.array([-1]), "within 0 to 39"),
        ("split_masks", np.array([1], dtype=np.int64), "uint16"),
        ("leaves", np.zeros((40, 8)), "leaves of shape"),
    ],
)
def test_arrays_that_make_no_trees_are_refused(booster: Any, name: str, value: np.ndarray, message: str) -> None:
    arrays = flatten(booster.dump_model()["tree_info"])
    changed = value if name == "leaves" else np.broadcast_to(value, arrays[name].shape)
    with pytest.raises(ValueError, match=message):
        Trees({**arrays, name: changed}, features=6)
