"""Tests of the shapes that saved predictors are checked for."""

from __future__ import annotations

import numpy as np
import pytest

from routing.predictors.array_predictor import ArrayPredictor
from routing.predictors.elo import Elo
from routing.predictors.registry import predictor_class
from routing.training.registry import trainer
from skills.progress import no_progress
from tests.routing.small_data import small_dataset, small_inputs

BASELINES = ["best_single", "cheapest", "elo", "gbt", "knn", "linucb", "mf", "mlp", "ridge", "table"]


@pytest.mark.parametrize("name", BASELINES)
def test_an_array_of_another_shape_is_refused(name: str) -> None:
    data = small_dataset(60)
    predictor = trainer(name)(data, small_inputs(data), seed=0, on_progress=no_progress)
    assert isinstance(predictor, ArrayPredictor)
    sizes = [size for shape in predictor.shapes.values() for size in shape]
    told = {*predictor.settings(), *(size for size in sizes if isinstance(size, int) or sizes.count(size) > 1)}
    tried = 0
    for array, shape in predictor.shapes.items():
        for axis, size in enumerate(shape):
            if size in told:
                wrong = {**predictor.arrays(), array: np.repeat(predictor.arrays()[array], 2, axis=axis)}
                if wrong[array].shape != predictor.arrays()[array].shape:  # of no elements there are no more
                    tried += 1
                    with pytest.raises(ValueError, match="has shape"):
                        predictor_class(name).restore(wrong, predictor.settings())
    assert tried >= 2


def test_an_array_of_other_dimensions_is_refused() -> None:
    data = small_dataset(20)
    predictor = trainer("elo")(data, small_inputs(data), seed=0, on_progress=no_progress)
    flat = {**predictor.arrays(), "ratings": np.zeros((6, 1))}
    with pytest.raises(ValueError, match=r"elo: array 'ratings' has shape \(6, 1\); it must be \('candidates',\)"):
        Elo.restore(flat, predictor.settings())
