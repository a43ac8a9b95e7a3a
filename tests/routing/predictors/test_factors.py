"""Tests of matrix factorisation."""

from __future__ import annotations

import numpy as np

from routing.predictors.factors import RANK, candidate_factors
from routing.predictors.principal import principal_axes, project


def low_rank(noise: float = 0.05) -> np.ndarray:
    """Queries × candidates of rank two."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(400, 2)) @ rng.normal(size=(2, 12)) + noise * rng.normal(size=(400, 12))


def test_factors_span_what_candidates_differ_in_though_a_third_of_the_cells_is_missing() -> None:
    whole = low_rank()
    holed = np.where(np.random.default_rng(1).random(whole.shape) < 0.33, np.nan, whole)
    found, true = candidate_factors(holed)[:2], candidate_factors(whole)[:2]
    np.testing.assert_allclose(np.linalg.svd(found @ true.T)[1], 1.0, atol=0.02)


def test_factors_are_as_many_as_candidates_at_most_and_of_length_one() -> None:
    for candidates in (1, 3, 12):
        vectors = candidate_factors(low_rank()[:, :candidates])
        assert vectors.shape == (min(RANK, candidates), candidates)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0)


def test_principal_coordinates_have_variance_one_and_dead_axes_are_left_out() -> None:
    rows = np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32) * [3, 2, 1, 0.5, 0, 0]
    centre, axes = principal_axes(rows, 5)
    assert axes.shape == (6, 4)
    np.testing.assert_allclose(project(rows, centre, axes).std(axis=0), 1.0)
    assert principal_axes(rows[:1], 5)[1].shape == (6, 0)
