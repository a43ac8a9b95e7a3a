"""The figures themselves, on outcomes small enough to reckon by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from routing.evaluation.measures import Point, areas, points, scores, thriftiest
from routing.evaluation.play import LAMBDAS, choices, played, preferred
from routing.evaluation.references import oracle_forecast
from tests.routing.evaluation.doubles import handmade

OUTCOMES = handmade([[0.9, 0.6], [0.2, 0.8]], [[1.0, 0.1], [1.0, 0.3]])
BEST = played(preferred([0, 1], OUTCOMES, LAMBDAS), OUTCOMES, LAMBDAS)
ORACLE = played(choices(oracle_forecast(OUTCOMES), OUTCOMES, LAMBDAS), OUTCOMES, LAMBDAS)


def point(quality: float, cost: float) -> Point:
    return Point(weight=0.0, quality=quality, cost_usd=cost, cost_share=cost, utility=quality)


def test_utility_area_is_the_mean_over_queries_and_weights() -> None:
    mean_weight = sum(LAMBDAS) / len(LAMBDAS)
    assert areas(BEST, OUTCOMES).tolist() == pytest.approx([0.9 - mean_weight, 0.2 - mean_weight])


def test_scores_tell_quality_cost_share_regret_and_shares() -> None:
    found = scores(ORACLE, OUTCOMES, oracle=ORACLE, best_single=BEST)
    assert (found.quality, found.cost_usd, found.cost_share) == pytest.approx((0.85, 0.65, 0.65))
    assert (found.regret, found.quality_regret) == (0.0, 0.0)
    assert found.shares[0] == {"a": 0.5, "b": 0.5}
    worse = scores(BEST, OUTCOMES, oracle=ORACLE, best_single=BEST)
    assert worse.cost_share == 1.0
    assert worse.quality_regret == pytest.approx(0.3)
    assert worse.regret == pytest.approx(found.utility_area - worse.utility_area)
    assert worse.regret > 0


def test_tasks_are_scored_apart() -> None:
    outcomes = replace(OUTCOMES, tasks=("code", None))
    found = scores(BEST, outcomes, oracle=ORACLE, best_single=BEST).tasks
    assert {task: (score.queries, score.quality) for task, score in found.items()} == {"code": (1, 0.9), "": (1, 0.2)}


def test_latency_is_the_mean_of_what_was_measured() -> None:
    outcomes = replace(OUTCOMES, latency_seconds=np.array([[2.0, 9.0], [np.nan, 9.0]]))
    play = played(preferred([0, 1], outcomes, LAMBDAS), outcomes, LAMBDAS)
    assert scores(play, outcomes, oracle=ORACLE, best_single=BEST).latency_seconds == 2.0
    assert scores(BEST, OUTCOMES, oracle=ORACLE, best_single=BEST).latency_seconds is None


def test_cost_share_is_unknown_where_best_single_costs_nothing() -> None:
    free = handmade([[0.9, 0.6]])
    best = played(preferred([0, 1], free, LAMBDAS), free, LAMBDAS)
    assert points(best, free, best_single=best)[0].cost_share is None


def test_thriftiest_point_is_the_cheapest_within_half_a_point() -> None:
    frontier = [point(0.80, 9), point(0.7951, 5), point(0.7949, 1)]
    assert thriftiest(frontier, quality=0.80) == 1
    assert thriftiest(frontier, quality=0.90) is None
