"""Tests of the network of one hidden layer."""

from __future__ import annotations

import numpy as np

from routing.predictors.means import candidate_means
from routing.predictors.perceptron import LEAST_QUERIES, fit
from skills.progress import no_progress
from tests.routing.small_data import small_dataset, small_inputs


def test_it_forecasts_better_than_the_means_of_queries_it_did_not_see() -> None:
    data = small_dataset(600)
    train, dev = data.split("train"), data.split("dev")
    forecast = fit(train, small_inputs(train), seed=0, on_progress=no_progress).predict(small_inputs(dev)).quality
    constant = candidate_means(train.quality)
    assert ((forecast - dev.quality) ** 2).mean() < 0.9 * ((constant - dev.quality) ** 2).mean()


def test_with_few_queries_it_forecasts_the_means() -> None:
    data = small_dataset(LEAST_QUERIES - 1)
    forecast = fit(data, small_inputs(data), seed=0, on_progress=no_progress).predict(small_inputs(data)).quality
    np.testing.assert_allclose(forecast, np.broadcast_to(candidate_means(data.quality), forecast.shape))


def test_another_seed_gives_another_network() -> None:
    data = small_dataset(60)
    inputs = small_inputs(data)
    one, other = (fit(data, inputs, seed=seed, on_progress=no_progress).predict(inputs).quality for seed in (0, 1))
    assert np.abs(one - other).max() > 1e-6
