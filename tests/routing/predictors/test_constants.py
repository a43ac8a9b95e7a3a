"""Tests of the routers that say the same of every query: best single, cheapest, ratings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from routing.dataset import Dataset
from routing.forecasts import Weights, choose, utility
from routing.predictors.elo import bradley_terry, wins
from routing.training.registry import trainer
from skills.progress import no_progress
from tests.routing.small_data import small_dataset, small_inputs

EVERY_WEIGHTING = [
    Weights(),
    Weights(cost=0.1),
    Weights(cost=50.0),
    Weights(quality=0.0, cost=1.0),
    Weights(latency=3.0),
    Weights(quality=0.2, cost=2.0, latency=1.0, energy=1.0),
]


def chosen(name: str, data: Dataset, weights: Weights) -> set[str]:
    predictor = trainer(name)(data, small_inputs(data), seed=0, on_progress=no_progress)
    forecast = predictor.predict(small_inputs(data))
    places = choose(utility(forecast, weights, data.reference), forecast.cost_usd)
    return {data.candidates[place] for place in places}


@pytest.mark.parametrize("weights", EVERY_WEIGHTING)
def test_best_single_is_the_reference_whatever_the_weights(weights: Weights) -> None:
    data = small_dataset(120)
    assert chosen("best_single", data, weights) == {data.reference.candidate}
    tied = replace(data, quality=np.ones_like(data.quality))
    assert chosen("best_single", tied, weights) == {tied.reference.candidate}


@pytest.mark.parametrize("weights", EVERY_WEIGHTING)
def test_cheapest_is_the_cheapest_whatever_the_weights(weights: Weights) -> None:
    data = small_dataset(120)
    cheapest = data.candidates[int(np.nanmean(data.cost_usd, axis=0).argmin())]
    assert chosen("cheapest", data, weights) == {cheapest}


def test_ratings_follow_who_beat_whom() -> None:
    rng = np.random.default_rng(0)
    true = np.array([0.0, 1.0, 2.0])
    better = rng.random(4000) < 1 / (1 + np.exp(true[0] - true[1]))
    best = rng.random(4000) < 1 / (1 + np.exp(true[1] - true[2]))
    first = np.column_stack([1.0 - better, better, np.full(4000, np.nan)])
    second = np.column_stack([np.full(4000, np.nan), 1.0 - best, best])
    ratings = bradley_terry(wins(np.vstack([first, second])))
    np.testing.assert_allclose(np.diff(ratings), [1.0, 1.0], atol=0.15)


def test_ties_are_half_a_win_to_each_and_only_shared_queries_count() -> None:
    quality = np.array([[1.0, 1.0, np.nan], [0.5, 0.2, np.nan], [np.nan, 0.1, np.nan]])
    np.testing.assert_array_equal(wins(quality), [[0, 1.5, 0], [0.5, 0, 0], [0, 0, 0]])
    assert bradley_terry(wins(quality))[2] == 0.0
