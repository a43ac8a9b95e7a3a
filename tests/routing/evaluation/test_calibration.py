"""Calibration errors that can be reckoned by hand, and where forecasts tie."""

from __future__ import annotations

import math

import numpy as np
import pytest

from routing.evaluation.calibration import calibration


def test_forecasts_that_come_true_have_no_error() -> None:
    forecast = np.repeat([0.2, 0.8], 50)
    outcome = np.concatenate([np.arange(50) < 10, np.arange(50) < 40]).astype(float)
    found = calibration(forecast, outcome)
    assert found.ece == pytest.approx(0)
    assert found.ece_equal_mass == pytest.approx(0)
    assert found.brier == pytest.approx(0.16)
    assert [(point.forecast, point.outcome, point.count) for point in found.points] == [
        (pytest.approx(0.2), pytest.approx(0.2), 50),
        (pytest.approx(0.8), pytest.approx(0.8), 50),
    ]


def test_error_is_the_weighted_distance() -> None:
    found = calibration(np.array([0.9, 0.9, 0.9, 0.1]), np.array([1.0, 0.0, 0.0, 0.1]))
    assert found.ece == pytest.approx(0.75 * (0.9 - 1 / 3))
    assert found.ece_equal_mass == pytest.approx(found.ece)


def test_sure_and_wrong_forecast_has_a_finite_loss_at_the_edges() -> None:
    found = calibration(np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    assert found.ece == found.brier == 1.0
    assert math.isfinite(found.log_loss)
    assert found.log_loss > 10


def test_equal_forecasts_share_a_bin_of_equal_mass() -> None:
    """A constant forecast that is right on the whole is calibrated in whatever order outcomes come."""
    assert calibration(np.full(90, 0.5), np.repeat([0.0, 1.0], 45)).ece_equal_mass == pytest.approx(0)
