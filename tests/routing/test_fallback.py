"""After a failure the decision's own ranking says who is next, and the propensity says so too."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from routing.base import Choice, Context
from routing.fallback import LEFT_TO_CHANCE, by_ranking
from routing.router import sample
from storage.records import Assessment, Decision, ShadowChoice


def assessed(id: str, probability: float, *, score: float = 0.0, worst_case: str = "0") -> Assessment:
    return Assessment(
        candidate_id=id, probability=probability, score=score, contributions={"own": score},
        worst_case_usd=Decimal(worst_case), mask_reason=None,
    )  # fmt: skip


def a_choice(*assessments: Assessment, counter: int = 0) -> Choice:
    probabilities = {each.candidate_id: each.probability for each in assessments if each.probability > 0}
    picked = sample(list(probabilities.values()), list(probabilities), seed=1, counter=counter)
    return Choice(
        context=Context(task="chat", task_mixture={}, vector=np.zeros(1), encoder="none"),
        assessments=assessments,
        candidate_id=picked,
        propensity=probabilities[picked],
        policy="any",
        policy_version="1",
        policy_sha256="",
        rng_seed=1,
        rng_counter=counter,
    )


def a_decision(**id_to_score: float) -> Decision:
    return Decision(
        query_id="q", run_id="r", step="answer", attempt=1, account_id="default", payload_id="p", payload_digest="",
        tenant="default", principal="local",
        task="chat", task_mixture={}, context=(), encoder="none",
        assessments=tuple(assessed(id, 0.25, score=score) for id, score in id_to_score.items()),
        candidate_id="failed", propensity=0.25, policy="any", policy_version="1", policy_sha256="", rng_seed=1,
        rng_counter=0, budget_before_usd=Decimal(1), budget_reserved_usd=Decimal(0),
    )  # fmt: skip


BEFORE = a_decision(failed=0.9, good=0.8, fair=0.5, poor=0.1)


def test_the_next_best_gets_nearly_all_and_nobody_nothing() -> None:
    choice = a_choice(assessed("good", 0.2), assessed("fair", 0.2), assessed("poor", 0.6))
    changed = {each.candidate_id: each.probability for each in by_ranking(choice, BEFORE).assessments}
    assert changed == pytest.approx({"good": 0.92, "fair": 0.02, "poor": 0.06})


def test_it_is_drawn_with_the_propensity_that_is_stored() -> None:
    seen: Counter[str] = Counter()
    for counter in range(2000):
        choice = by_ranking(a_choice(assessed("good", 0.5), assessed("poor", 0.5), counter=counter), BEFORE)
        (own,) = [each for each in choice.assessments if each.candidate_id == choice.candidate_id]
        assert choice.propensity == own.probability
        seen[str(choice.candidate_id)] += 1
    share = 1.0 - LEFT_TO_CHANCE / 2
    assert seen["good"] / 2000 == pytest.approx(share, abs=0.015)  # three standard deviations


def test_of_equals_the_cheaper_is_next() -> None:
    before = a_decision(dear=0.5, cheap=0.5, poor=0.1)
    choice = a_choice(
        assessed("dear", 0.4, worst_case="2"), assessed("cheap", 0.3, worst_case="1"), assessed("poor", 0.3)
    )
    best = max(by_ranking(choice, before).assessments, key=lambda each: each.probability)
    assert best.candidate_id == "cheap"


@pytest.mark.parametrize("before", [a_decision(good=0.5, poor=0.5), a_decision(good=0.9)], ids=["alike", "unknown"])
def test_without_a_ranking_the_choice_stays_as_it_is(before: Decision) -> None:
    choice = a_choice(assessed("good", 0.5), assessed("poor", 0.5))
    assert by_ranking(choice, before) == choice


def test_the_watched_router_keeps_its_own_view() -> None:
    shadow = ShadowChoice(policy_version="2", candidate_id="poor", probability=0.7)
    choice = a_choice(assessed("good", 0.5), assessed("poor", 0.5))
    choice = replace(choice, shadow=shadow, shadow_probabilities={"good": 0.3, "poor": 0.7})
    changed = by_ranking(choice, BEFORE)
    assert changed.shadow is not None
    assert changed.shadow.candidate_id == "poor"
    assert changed.shadow.probability == {"good": 0.3, "poor": 0.7}[str(changed.candidate_id)]
