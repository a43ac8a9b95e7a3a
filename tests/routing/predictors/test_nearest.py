"""Tests of nearest neighbours."""

from __future__ import annotations

import numpy as np

from routing.predictors.nearest import NEIGHBOURS, UNKNOWN, as_whole_numbers, fit, nearest, pick, similarities
from skills.progress import no_progress
from tests.routing.small_data import small_dataset, small_inputs


def unit_rows(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_cosines_of_whole_numbers_are_nearly_those_of_the_vectors() -> None:
    some, others = unit_rows(20, 384), unit_rows(50, 384, seed=1)
    found = similarities(*as_whole_numbers(some), *as_whole_numbers(others))
    np.testing.assert_allclose(found, some @ others.T, atol=3e-3)


def test_cosines_are_bit_equal_alone_and_in_a_batch_even_of_very_wide_vectors() -> None:
    some, others = unit_rows(20, 3000), unit_rows(50, 3000, seed=1)
    whole = similarities(*as_whole_numbers(some), *as_whole_numbers(others))
    for row in range(len(some)):
        alone = similarities(*as_whole_numbers(some[[row]]), *as_whole_numbers(others))
        np.testing.assert_array_equal(alone[0], whole[row])


def test_the_nearest_come_first() -> None:
    places, cosines = nearest(np.array([[0.1, 0.9, 0.5, 0.7]]), 3)
    assert places.tolist() == [[1, 3, 2]]
    assert cosines.tolist() == [[0.9, 0.7, 0.5]]


def test_a_smooth_truth_wants_many_neighbours_and_a_local_one_few() -> None:
    rng = np.random.default_rng(0)
    vectors, scales = as_whole_numbers(np.repeat(unit_rows(60, 32), 5, axis=0))
    judged = np.arange(300)
    smooth = (rng.random((300, 2)) < 0.5).astype(np.float32)
    local = np.repeat((rng.random((60, 2)) < 0.5).astype(np.float32), 5, axis=0)
    half = np.full(2, 0.5)
    assert pick(vectors, scales, smooth, half, judged)[0] == max(NEIGHBOURS)
    assert pick(vectors, scales, local, half, judged)[0] <= 8


def test_holes_are_stored_as_such_and_count_for_nothing() -> None:
    data = small_dataset(80, missing=0.5)
    predictor = fit(data, small_inputs(data), seed=0, on_progress=no_progress)
    np.testing.assert_array_equal(predictor.arrays()["quality"] == UNKNOWN, np.isnan(data.quality))
    assert predictor.predict(small_inputs(data)).cost_usd.min() > 0
