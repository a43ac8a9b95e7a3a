"""Success against cost: mixing settings, and intervals."""

from __future__ import annotations

import numpy as np
import pytest

from routing.steps.baselines import Setting
from routing.steps.frontier import Resampled, points, success_at


def test_settings_are_mixed_on_the_upper_hull() -> None:
    costs, successes = np.array([0.2, 0.5, 1.0, 0.6]), np.array([0.4, 0.5, 0.9, 0.45])
    assert success_at(costs, successes, 0.1) == pytest.approx(0.2)
    assert success_at(costs, successes, 0.2) == pytest.approx(0.4)
    assert success_at(costs, successes, 0.6) == pytest.approx(0.65)  # between 0.2 and 1.0; 0.5 lies under the line
    assert success_at(costs, successes, 2.0) == pytest.approx(0.9)


def test_points_are_shares_of_always_large() -> None:
    setting = Setting(name="x", success=np.array([1.0, 0.0]), cost_usd=np.array([0.1, 0.3]))
    (point,) = points([setting], np.array([0.5, 0.3]))
    assert (point.setting, point.success, point.cost_share) == ("x", 0.5, 0.5)


def test_interval_holds_the_mean_and_is_the_same_again() -> None:
    rng = np.random.default_rng(0)
    setting = Setting(name="x", success=(rng.random(200) < 0.6).astype(float), cost_usd=rng.random(200))
    large = np.ones(200)
    found = Resampled.draw(200, seed=1, resamples=300).interval_at([setting], large, 0.5)
    assert found.low < setting.success.mean() < found.high
    assert found == Resampled.draw(200, seed=1, resamples=300).interval_at([setting], large, 0.5)
