"""What a lesson does to a trail, by the bounded rule and by the printed one."""

from __future__ import annotations

import numpy as np
import pytest

from routing.pheromone.updates import BoundedUtility, PrintedRule, UpdateRule, least_tau, relative_entropy
from storage.trail_records import TrailEvent


def settled(rule: UpdateRule, *, success_rate: float, cost: float, count: int = 4000) -> float:
    rng = np.random.default_rng(3)
    tau = 0.5
    for _ in range(count):
        success = float(rng.random() < success_rate)
        event = TrailEvent(memory="m", utility=success, quality=success, cost_usd=cost)
        tau = rule(tau, event, weight=1.0, count=4)
    return tau


def test_failure_weakens_a_trail() -> None:
    rule = BoundedUtility()
    assert rule(0.5, TrailEvent(memory="m", utility=0.0), weight=1.0, count=4) < 0.5
    assert rule(0.5, TrailEvent(memory="m", utility=1.0), weight=1.0, count=4) > 0.5


def test_the_bounded_rule_settles_at_the_mean_utility() -> None:
    assert settled(BoundedUtility(rate=0.01), success_rate=0.8, cost=1.0) == pytest.approx(0.8, abs=0.1)


def test_the_printed_rules_fixed_point_is_blind_to_the_success_rate() -> None:
    rule = PrintedRule()
    often, seldom = (settled(rule, success_rate=rate, cost=1.0) for rate in (0.9, 0.2))
    assert often == pytest.approx(seldom, rel=1e-6)
    assert often == pytest.approx(1.0 / (1.0 + rule.epsilon), rel=1e-6)


def test_the_printed_rule_prefers_the_cheap_one_that_always_fails_but_once() -> None:
    rule = PrintedRule()
    assert settled(rule, success_rate=0.05, cost=0.1) > settled(rule, success_rate=1.0, cost=1.0)


def test_trails_stay_within_their_bounds() -> None:
    rule = BoundedUtility(rate=0.5)
    assert settled(rule, success_rate=0.0, cost=1.0) == least_tau(4) == 0.125
    assert settled(rule, success_rate=1.0, cost=1.0) <= 1.0


def test_entropy_is_one_where_trails_are_alike_and_near_zero_where_one_rules() -> None:
    assert relative_entropy(np.full(4, 0.3), alpha=8.0) == pytest.approx(1.0)
    assert relative_entropy(np.array([1.0, 0.2, 0.2]), alpha=8.0) < 0.1
    assert relative_entropy(np.array([0.4]), alpha=8.0) == 1.0
