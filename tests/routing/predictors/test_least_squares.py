"""Tests of ridge regression with holes."""

from __future__ import annotations

import numpy as np
import pytest

from routing.predictors.least_squares import PENALTIES, fit_ridge


def some_rows(count: int = 300, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(count, 12))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features, features @ rng.normal(size=(12, 3)) + 0.4 + noise * rng.normal(size=(count, 3))


def test_it_is_the_library_s_ridge_with_one_of_the_penalties() -> None:
    from sklearn.linear_model import Ridge

    features, targets = some_rows()
    fitted = fit_ridge(features, targets)
    for column in range(3):
        others = [Ridge(alpha=penalty).fit(features, targets[:, column]) for penalty in PENALTIES]
        distances = [np.abs(other.coef_ - fitted.weights[:, column]).max() for other in others]
        same = int(np.argmin(distances))
        assert distances[same] < 1e-9
        assert fitted.intercepts[column] == pytest.approx(others[same].intercept_)


def test_noise_asks_for_a_larger_penalty() -> None:
    clear, noisy = fit_ridge(*some_rows(noise=0.01)), fit_ridge(*some_rows(noise=30.0))
    assert np.abs(clear.weights).max() > 1.0
    assert np.abs(noisy.weights).max() < 2.0


def test_rows_with_a_hole_are_left_out_of_that_target_alone() -> None:
    features, targets = some_rows()
    holed = targets.copy()
    holed[:100, 1] = np.nan
    fitted, whole, part = (
        fit_ridge(features, holed),
        fit_ridge(features, targets),
        fit_ridge(features[100:], targets[100:]),
    )
    np.testing.assert_allclose(fitted.weights[:, [0, 2]], whole.weights[:, [0, 2]], atol=1e-12)
    np.testing.assert_allclose(fitted.weights[:, 1], part.weights[:, 1], atol=1e-12)


def test_one_row_gives_its_own_value() -> None:
    features, targets = some_rows(1)
    fitted = fit_ridge(features, targets)
    assert not fitted.weights.any()
    np.testing.assert_array_equal(fitted.intercepts, targets[0])
