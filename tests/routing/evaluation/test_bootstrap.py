"""Resampling: seeded, paired, and about as wide as theory says."""

from __future__ import annotations

import numpy as np
import pytest

from routing.evaluation import bootstrap
from routing.evaluation.bootstrap import difference, interval, resampled_means

NOISE = np.random.default_rng(7).normal(size=400)


def test_same_seed_gives_the_same_resamples_and_another_does_not() -> None:
    first, again, other = (resampled_means(NOISE[:, None], seed=seed, resamples=50) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_interval_is_as_wide_as_the_standard_error_says() -> None:
    found = interval(resampled_means(NOISE[:, None], seed=0)[:, 0])
    expected = 1.96 * NOISE.std() / 20
    assert found.low == pytest.approx(NOISE.mean() - expected, abs=0.01)
    assert found.high == pytest.approx(NOISE.mean() + expected, abs=0.01)


def test_columns_are_resampled_together() -> None:
    """A constant gain on every query is certain, however noisy the queries are."""
    columns = np.stack([NOISE + 0.01, NOISE], axis=1)
    resampled = resampled_means(columns, seed=0)
    found = difference(0.01, resampled[:, 0] - resampled[:, 1])
    assert (found.low, found.high) == pytest.approx((0.01, 0.01))
    assert found.p < 0.002


def test_no_difference_has_a_large_p() -> None:
    found = difference(float(NOISE.mean()), resampled_means(NOISE[:, None] - NOISE.mean(), seed=0)[:, 0])
    assert found.p > 0.5
    assert found.low < 0 < found.high
    assert difference(0.0, np.zeros(100)).p == 1.0


def test_blocks_make_as_many_resamples_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "BLOCK_CELLS", 400 * 7)
    assert resampled_means(NOISE[:, None], seed=0, resamples=20).shape == (20, 1)
