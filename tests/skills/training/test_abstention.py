"""How likely the best one fits, learned from cases with and without an answer."""

from __future__ import annotations

import numpy as np
import pytest

from skills.ranking.fit import SIGNALS
from skills.training.abstention import Cases, error_rates, fit_fit


def cases(count: int = 400, *, noise: float = 0.5) -> Cases:
    """The first signal tells; in half of the cases the pool has no answer."""
    rng = np.random.default_rng(0)
    is_absent = np.arange(count) % 2 == 1
    fits = ~is_absent & (np.arange(count) % 8 != 0)
    signals = rng.normal(size=(count, len(SIGNALS))).astype(np.float32)
    signals[:, 0] = fits + noise * rng.normal(size=count)
    return Cases(signals=signals, fits=fits, is_absent=is_absent, queries=np.arange(count) // 2)


def test_probability_rises_with_what_tells() -> None:
    fit = fit_fit(cases())
    assert fit is not None
    low, high = np.zeros((2, len(SIGNALS)), dtype=np.float32)
    high[0] = 1
    assert fit.probability(low) < 0.3 < 0.7 < fit.probability(high)


def test_probability_is_calibrated() -> None:
    own = cases(4_000)
    fit = fit_fit(own)
    assert fit is not None
    found = np.array([fit.probability(values) for values in own.signals])
    for low in (0.0, 0.25, 0.5, 0.75):
        inside = (found >= low) & (found < low + 0.25)
        assert own.fits[inside].mean() == pytest.approx(found[inside].mean(), abs=0.1)


def test_error_rates_are_told_at_half_and_at_few_false_abstains() -> None:
    rates = error_rates(cases(2_000))
    assert rates is not None
    few = rates["at_few_false_abstains"]
    assert isinstance(few, dict)
    assert few["false_abstain"] == pytest.approx(0.05, abs=0.01)
    assert 0 < few["false_accept"] < 0.6
    perfect = error_rates(cases(noise=0.01))
    assert perfect is not None
    assert perfect["at_half"] == {"threshold": 0.5, "false_abstain": 0, "false_accept": 0, "accept_of_wrong": 0}


def test_nothing_is_learned_from_a_handful() -> None:
    assert fit_fit(cases(30)) is None
    assert error_rates(cases(30)) is None
