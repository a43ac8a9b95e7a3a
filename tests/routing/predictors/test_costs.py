"""Tests of what answers are forecast to cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from routing.predictors.costs import Amounts
from tests.routing.small_data import small_dataset


def test_forecasts_of_the_training_cells_sum_to_what_was_measured() -> None:
    data = small_dataset(200, missing=0.4)
    amounts = Amounts.fit(data).predict(data.texts)
    assert list(amounts) == ["cost_usd", "latency_seconds"]
    for name, forecast in amounts.items():
        known = ~np.isnan(getattr(data, name))
        spent = np.nansum(getattr(data, name), axis=0)
        np.testing.assert_allclose((known * forecast).sum(axis=0), spent, rtol=1e-9)


def test_a_longer_text_costs_more_where_it_did_in_training() -> None:
    data = small_dataset(200)
    short, long = Amounts.fit(data).predict(["Why?" * 12, "Why?" * 45])["cost_usd"]
    assert (long > 1.5 * short).all()


def test_lengths_beyond_what_training_saw_count_as_the_last_that_it_saw() -> None:
    data = small_dataset(50)
    longest = max(data.texts, key=len)
    usual, endless = Amounts.fit(data).predict([longest, "x" * 10_000_000])["cost_usd"]
    np.testing.assert_array_equal(usual, endless)


def test_a_candidate_without_costs_is_forecast_the_mean_of_all() -> None:
    data = small_dataset(100)
    cost = data.cost_usd.copy()
    cost[:, 2] = np.nan
    data = replace(data, cost_usd=cost)
    assert Amounts.fit(data).predict(data.texts)["cost_usd"][:, 2].mean() == pytest.approx(np.nanmean(cost))


def test_free_answers_are_forecast_free_and_unknown_costs_are_zeros() -> None:
    data = small_dataset(60)
    free = replace(data, cost_usd=np.where(np.arange(6) == 0, 0.0, data.cost_usd))
    assert not Amounts.fit(free).predict(data.texts)["cost_usd"][:, 0].any()
    unknown = small_dataset(60, with_costs=False, with_tokens=False)
    assert {name: matrix.any() for name, matrix in Amounts.fit(unknown).predict(data.texts).items()} == {
        "cost_usd": False
    }
