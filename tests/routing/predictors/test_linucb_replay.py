"""Tests of the bandit that replays the training queries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from routing.predictors.linucb_replay import AXES, features, fit, replay
from routing.predictors.principal import principal_axes
from skills.progress import no_progress
from tests.routing.small_data import small_dataset, small_inputs


def test_it_sees_one_outcome_a_query_and_only_known_ones() -> None:
    data = small_dataset(200, missing=0.5)
    _, is_picked = replay(np.ones((200, 1)), data, np.random.default_rng(0), no_progress)
    assert (is_picked.sum(axis=1) == 1).all()
    assert not (is_picked & np.isnan(data.quality)).any()


def test_outcomes_that_it_did_not_pick_do_not_matter() -> None:
    data = small_dataset(200)
    inputs = small_inputs(data)
    contexts = features(inputs, *principal_axes(inputs.embeddings, AXES))
    _, is_picked = replay(contexts, data, np.random.default_rng(1), no_progress)
    changed = replace(
        data,
        quality=np.where(is_picked, data.quality, 1 - data.quality),
        cost_usd=np.where(is_picked, data.cost_usd, 7 * data.cost_usd),
    )
    forecast = fit(data, inputs, seed=1, on_progress=no_progress).predict(inputs)
    again = fit(changed, inputs, seed=1, on_progress=no_progress).predict(inputs)
    np.testing.assert_array_equal(again.quality, forecast.quality)
    np.testing.assert_array_equal(again.cost_usd, forecast.cost_usd)


def test_it_comes_to_pick_who_is_right() -> None:
    data = small_dataset(600, candidates=4)
    inputs = small_inputs(data)
    contexts = features(inputs, *principal_axes(inputs.embeddings, AXES))
    _, is_picked = replay(contexts, data, np.random.default_rng(0), no_progress)
    assert data.quality[is_picked].mean() > data.quality.mean() + 0.1
