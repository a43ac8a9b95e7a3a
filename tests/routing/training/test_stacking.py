"""The stack is the table with both corrections, each as its own router would make it, by fixed weights."""

from __future__ import annotations

import numpy as np

from routing.predictors.corrected import bent
from routing.training.registry import trainer
from routing.training.stacking import WEIGHTS
from skills.progress import no_progress
from tests.routing.small_data import small_dataset, small_inputs


def test_its_forecast_is_the_table_plus_weighted_corrections() -> None:
    data = small_dataset(60)
    inputs = small_inputs(data)
    stack, kernel, graph = (
        trainer(name)(data, inputs, seed=1, on_progress=no_progress) for name in ("stack", "kernel", "graph")
    )
    asked = inputs.without_tasks()
    ground = stack.groundwork.ground(asked)
    quality, cost = ground.quality, ground.cost_usd
    for name, router in (("kernel", kernel), ("graph", graph)):
        shift = router.corrections[name].shift(ground, asked)
        quality = quality + WEIGHTS[name] * shift.quality
        cost = cost * shift.cost ** WEIGHTS[name]
    forecast = stack.predict(asked)
    np.testing.assert_allclose(forecast.quality, bent(quality), atol=1e-12)
    np.testing.assert_allclose(forecast.cost_usd, cost, rtol=1e-12)


def test_one_candidate_leaves_the_graph_idle_and_the_stack_sensible() -> None:
    data = small_dataset(40, candidates=1)
    inputs = small_inputs(data)
    forecast = trainer("stack")(data, inputs, seed=1, on_progress=no_progress).predict(inputs)
    assert np.isfinite(forecast.quality).all()
    assert ((forecast.quality > 0) & (forecast.quality < 1)).all()
