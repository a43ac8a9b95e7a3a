"""The trained router's policy: what it weighs, whom it takes, and what it does where the router knows nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from routing.base import ACTIVE, ArmForecasts, Context
from routing.forecasts import Reference, Weights
from routing.policies.graph_neural import GraphNeural
from routing.policies.table import Table
from tests.routing.doubles import a_context, total

ARMS = ("cheap", "dear", "middle")
REFERENCE = Reference(candidate="dear", quality=0.9, cost_usd=0.02, latency_seconds=2.0)


def foreseen(
    quality: tuple[float, ...] = (0.5, 0.9, 0.7),
    cost_usd: tuple[float, ...] = (0.001, 0.02, 0.004),
    *,
    weights: Weights | None = None,
    **more: tuple[float, ...],
) -> Context:
    forecast = ArmForecasts(
        version_id="version_a",
        sha256="a" * 64,
        reference=REFERENCE,
        arm_to_place={arm: place for place, arm in enumerate(ARMS)},
        quality=np.array(quality),
        cost_usd=np.array(cost_usd),
        **{name: np.array(values) for name, values in more.items()},
    )
    return replace(a_context(), forecasts={ACTIVE: forecast}, weights=weights)


def best(policy: GraphNeural, context: Context, arms: tuple[str, ...] = ARMS) -> str:
    return arms[int(policy.probabilities(arms, context).argmax())]


def test_contributions_are_the_weighed_expectations_in_units_of_the_reference() -> None:
    policy = GraphNeural(weights=Weights(quality=2.0, cost=0.5, latency=0.1, energy=1.0))
    scores = policy.scores(ARMS, foreseen(latency_seconds=(1.0, 4.0, 2.0)))
    assert scores[1] == pytest.approx({"expected_quality": 1.8, "expected_cost": -0.5, "expected_latency": -0.2})
    assert total(scores[0]) == pytest.approx(2 * 0.5 - 0.5 * 0.05 - 0.1 * 0.5)


@pytest.mark.parametrize(("cost", "picked"), [(0.0, "dear"), (0.4, "middle"), (20.0, "cheap")])
def test_the_dearer_money_is_the_cheaper_the_choice(cost: float, picked: str) -> None:
    assert best(GraphNeural(weights=Weights(cost=cost)), foreseen()) == picked
    assert best(GraphNeural(), foreseen(weights=Weights(cost=cost))) == picked


def test_the_best_takes_all_but_the_floor() -> None:
    probabilities = GraphNeural(exploration=0.06).probabilities(ARMS, foreseen())
    np.testing.assert_allclose(probabilities, [0.02, 0.96, 0.02])


def test_among_equals_the_cheapest_is_taken_and_full_twins_share() -> None:
    equal = (0.7, 0.7, 0.7)
    policy = GraphNeural(exploration=0.03)
    np.testing.assert_allclose(policy.probabilities(ARMS, foreseen(equal)), [0.98, 0.01, 0.01])
    np.testing.assert_allclose(policy.probabilities(ARMS, foreseen(equal, (0.01, 0.02, 0.01))), [0.495, 0.01, 0.495])


def test_an_arm_unknown_to_the_router_gets_the_table_s_estimate_and_says_so() -> None:
    policy, arms = GraphNeural(weights=Weights(quality=2.0, cost=1.0)), (*ARMS, "newcomer")
    context = foreseen()
    assert policy.scores(arms, context)[3] == {"table_estimate": 2.0 * 0.5}
    for _ in range(30):
        policy.update("newcomer", context, 1.0)
    assert policy.scores(arms, context)[3]["table_estimate"] > 1.9
    assert best(policy, context, arms) == "newcomer"
    for _ in range(300):
        policy.update("newcomer", context, 0.0)
    assert best(policy, context, arms) != "newcomer"


def test_a_known_arm_is_preferred_to_an_unknown_one_that_is_level() -> None:
    probabilities = GraphNeural(exploration=0.02).probabilities(("cheap", "newcomer"), foreseen())
    np.testing.assert_allclose(probabilities, [0.99, 0.01])


def test_without_a_forecast_it_answers_as_the_table_and_says_why() -> None:
    policy, table, context = GraphNeural(), Table(), a_context()
    for arm, reward in (("cheap", 1.0), ("dear", 0.2), ("cheap", 0.8)):
        policy.update(arm, context, reward)
        table.update(arm, context, reward)
    assert policy.scores(ARMS, context) == table.scores(ARMS, context)
    np.testing.assert_array_equal(policy.probabilities(ARMS, context), table.probabilities(ARMS, context))
    assert policy.refusal(context) == "no_active_router"
    assert policy.refusal(replace(context, forecast_gap="artifact_refused")) == "artifact_refused"
    assert (policy.identity(context), policy.weighed_with(context)) == (None, None)


def test_with_a_forecast_the_version_and_its_digest_are_the_identity() -> None:
    policy = GraphNeural(weights=Weights(cost=0.3))
    identity = policy.identity(foreseen())
    assert policy.refusal(foreseen()) is None
    assert identity is not None
    assert (identity.version, identity.sha256) == ("version_a", "a" * 64)
    assert policy.weighed_with(foreseen()) == Weights(cost=0.3)
    assert policy.weighed_with(foreseen(weights=Weights(cost=2.0))) == Weights(cost=2.0)


def test_a_term_without_a_unit_counts_as_nothing() -> None:
    context = foreseen()
    forecast = replace(context.forecasts[ACTIVE], reference=replace(REFERENCE, cost_usd=0.0, latency_seconds=None))
    free = replace(context, forecasts={ACTIVE: forecast})
    scores = GraphNeural(weights=Weights(cost=5.0, latency=5.0)).scores(ARMS, free)
    assert scores == [{"expected_quality": 0.5}, {"expected_quality": 0.9}, {"expected_quality": 0.7}]
