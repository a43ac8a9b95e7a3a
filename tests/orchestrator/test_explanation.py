"""Why this one, as plain values: verdict, headline, order, margin, money."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from orchestrator.explanation import Explanation, explanation_of
from orchestrator.reading import Attempt
from storage.conformance_records import a_decision, a_payload, an_outcome
from storage.records import Assessment, Decision, usd
from tests.conftest import MakeService

QUESTION = "What is the capital of France?"


def decision_of(**score_and_probability: tuple[float, float]) -> Decision:
    """The first candidate was picked; a chance of 0 means masked."""
    assessments = tuple(
        Assessment(
            candidate_id=id,
            probability=probability,
            score=score,
            contributions={"mean": score - 0.1, "bonus": 0.1},
            mask_reason=None if probability else "too dear",
        )
        for id, (score, probability) in score_and_probability.items()
    )
    picked = assessments[0]
    chosen = picked.candidate_id if picked.probability else None
    return replace(
        a_decision(a_payload()), assessments=assessments, candidate_id=chosen, propensity=picked.probability, policy="x"
    )


def why(decision: Decision) -> Explanation:
    return explanation_of(Attempt(decision=decision, outcomes=(), rewards=()))


@pytest.mark.parametrize(
    ("decision", "verdict", "headline"),
    [
        (decision_of(a=(0.5, 0.0)), "nobody", "Nobody was picked: every candidate is masked."),
        (
            decision_of(a=(0.5, 1.0), b=(0.9, 0.0)),
            "only",
            "by policy 'x'; it was the only one allowed.",
        ),
        (decision_of(a=(0.5, 0.1), b=(0.9, 0.9)), "exploration", "0.400 below the best: this was exploration."),
        (decision_of(a=(0.5, 0.6), b=(0.7, 0.4)), "exploration", "below the best: yet nobody had a greater chance."),
        (decision_of(a=(0.5, 0.5), b=(0.5, 0.5)), "level", "level with another, so chance decided."),
        (decision_of(a=(0.5, 0.9), b=(0.5, 0.1)), "level", "level with another, and preferred to it."),
        (decision_of(a=(0.54, 0.9), b=(0.5, 0.1)), "close", "ahead by 0.040: a close call."),
        (decision_of(a=(0.5001, 0.9), b=(0.5, 0.1)), "close", "ahead by 0.0001: a close call."),
        (decision_of(a=(0.9, 0.9), b=(0.5, 0.1)), "clear", "ahead by 0.400: a rival would need 0.400 more to win."),
    ],
)
def test_verdict_and_headline_say_how_it_fell(decision: Decision, verdict: str, headline: str) -> None:
    explanation = why(decision)
    assert explanation.verdict == verdict
    assert explanation.headline.endswith(headline)


def test_a_price_in_dollars_is_no_close_call() -> None:
    parts = {"a": -0.0004, "b": -0.004}
    assessments = tuple(
        Assessment(candidate_id=id, probability=0.5, score=price, contributions={"price": price})
        for id, price in parts.items()
    )
    decision = replace(decision_of(a=(0.0, 0.5)), assessments=assessments, policy="cheapest")
    assert why(decision).verdict == "clear"


def test_after_a_failure_the_ranking_is_told_as_the_reason() -> None:
    decision = replace(decision_of(a=(0.5, 0.9), b=(0.7, 0.1)), attempt=2)
    assert "after a failure the ranking before it counts" in why(decision).headline


def test_the_best_stands_first_and_the_largest_term_before_the_others() -> None:
    explanation = why(decision_of(a=(0.5, 0.2), b=(0.9, 0.5), c=(-0.7, 0.3), d=(0.95, 0.0)))
    assert [each.candidate_id for each in explanation.allowed] == ["b", "a", "c"]
    assert [each.is_chosen for each in explanation.allowed] == [False, True, False]
    assert [(each.candidate_id, each.mask_reason) for each in explanation.masked] == [("d", "too dear")]
    assert [term.name for term in explanation.allowed[2].terms] == ["mean", "bonus"]
    for each in (*explanation.allowed, *explanation.masked):
        assert sum(term.value for term in each.terms) == pytest.approx(each.score)
    assert explanation.margin == pytest.approx(-0.4)


def test_a_score_of_more_than_its_terms_is_made_whole() -> None:
    decision = decision_of(a=(0.5, 1.0))
    odd = replace(decision.assessments[0], contributions={"mean": 0.2})
    terms = why(replace(decision, assessments=(odd,))).allowed[0].terms
    assert {term.name: term.value for term in terms} == {"mean": 0.2, "other": pytest.approx(0.3)}


def test_money_is_that_of_the_account_and_of_all_outcomes() -> None:
    decision = replace(decision_of(a=(0.5, 1.0)), budget_before_usd=usd("1"), budget_reserved_usd=usd("0.2"))
    outcomes = (an_outcome(decision), an_outcome(decision))
    money = explanation_of(Attempt(decision=decision, outcomes=outcomes, rewards=())).money
    assert (money.before_usd, money.held_usd) == (Decimal(1), Decimal("0.2"))
    assert (money.spent_usd, money.after_usd) == (Decimal("0.000066"), Decimal("0.999934"))


async def test_margins_are_those_that_summaries_have(make_service: MakeService) -> None:
    service = await make_service()
    for policy in service.policies:
        run = await service.run(QUESTION, policy=policy)
        await service.stores.summaries.catch_up(seconds=5)
        row = await service.stores.summaries.get(run.decision_id)
        assert explanation_of(await service.attempt(run.decision_id)).margin == row.margin
