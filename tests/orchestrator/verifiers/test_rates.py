"""Error rates of verifiers: counted from truths that somebody more trusted told."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.verifiers.rates import KIND_TO_PRIOR, TRUST, Counts, VerifierRates
from orchestrator.verifiers.registry import VERIFIERS
from storage.records import Judge, Outcome
from tests.conftest import MakeService

MODEL = KIND_TO_PRIOR["model"]


def said(
    decision: int, judged_by: Judge, quality: float, *, verifier: str | None = None, id: str | None = None
) -> Outcome:
    passed = None if verifier is None else quality >= 0.5
    outcome = Outcome(
        decision_id=f"decision_{decision}", run_id="run_1", status="judged", quality=quality, judged_by=judged_by,
        verifier=verifier, has_passed=passed,
    )  # fmt: skip
    return outcome if id is None else Outcome(**{**vars(outcome), "id": id})


def counted(outcomes: Sequence[Outcome], verifier: str = "jury") -> Counts:
    rates = VerifierRates({"jury": "model"})
    rates.learn(outcomes)
    return rates.name_to_counts.get(verifier, Counts())


def test_every_kind_has_a_prior_that_is_better_than_a_coin() -> None:
    assert set(KIND_TO_PRIOR) == set(VERIFIERS)
    assert all(prior.false_accept + prior.false_reject < 1 for prior in KIND_TO_PRIOR.values())


def test_without_truths_the_prior_is_all() -> None:
    rates = VerifierRates({"jury": "model"})
    found = rates.of("jury")
    assert (found.false_accept, found.false_reject, found.judged) == (MODEL.false_accept, MODEL.false_reject, 0)
    assert rates.of("tests").false_accept == KIND_TO_PRIOR["tests"].false_accept
    assert rates.of("nobody").judged == 0


def test_false_accepts_and_false_rejects_are_counted_apart() -> None:
    outcomes = []
    for decision, (passed, truth) in enumerate([(1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (1.0, 0.0)]):
        outcomes += [said(decision, "judge", passed, verifier="jury"), said(decision, "user", truth)]
    assert counted(outcomes) == Counts(accepted_right=1, rejected_right=1, accepted_wrong=2, rejected_wrong=1)
    rates = VerifierRates({"jury": "model"})
    rates.learn(outcomes)
    found = rates.of("jury")
    assert found.false_accept == pytest.approx((2 + 10 * MODEL.false_accept) / 13)
    assert found.false_reject == pytest.approx((1 + 10 * MODEL.false_reject) / 12)
    assert found.judged == 5


def test_truth_may_come_before_the_verdict() -> None:
    assert counted([said(1, "environment", 0.0), said(1, "judge", 1.0, verifier="jury")]).accepted_wrong == 1


@pytest.mark.parametrize("judge", TRUST)
def test_only_the_more_trusted_tell_the_truth(judge: Judge) -> None:
    verdict = said(1, "verifier", 1.0, verifier="lint")
    found = counted([verdict, said(1, judge, 0.0)], "lint")
    assert found.judged == (1 if judge in ("environment", "user") else 0)


def test_a_verifier_is_never_judged_by_itself() -> None:
    again = [said(1, "judge", 1.0, verifier="jury"), said(1, "verifier", 0.0, verifier="jury")]
    assert counted(again).judged == 0


def test_what_a_candidate_says_of_its_own_answer_counts_for_nobody() -> None:
    own = said(1, "self", 1.0, verifier="jury")
    assert counted([own, said(1, "user", 0.0)]).judged == 0
    assert counted([said(2, "judge", 1.0, verifier="jury"), said(2, "self", 0.0)]).judged == 0


def test_the_more_trusted_truth_takes_the_place_of_the_former() -> None:
    outcomes = [said(1, "judge", 1.0, verifier="jury"), said(1, "verifier", 0.0, verifier="lint")]
    assert counted(outcomes) == Counts(accepted_wrong=1)
    assert counted([*outcomes, said(1, "environment", 1.0)]) == Counts(accepted_right=1)
    assert counted([*outcomes, said(1, "environment", 1.0), said(1, "user", 0.0)]) == Counts(accepted_right=1)


def test_an_outcome_counts_once_however_often_it_is_told() -> None:
    outcomes = [said(1, "judge", 1.0, verifier="jury"), said(1, "user", 0.0)]
    assert counted(outcomes * 3) == Counts(accepted_wrong=1)


def test_rates_are_of_the_newest_decisions_in_bounded_memory() -> None:
    rates = VerifierRates(remembered=10)
    for decision in range(100):
        rates.learn([said(decision, "verifier", 1.0, verifier="lint"), said(decision, "user", 1.0)])
    assert rates.name_to_counts["lint"] == Counts(accepted_right=10)
    rates.learn([said(1, "verifier", 1.0, verifier="lint"), said(1, "environment", 0.0)])  # an old one, told in full
    assert rates.name_to_counts["lint"] == Counts(accepted_right=9, accepted_wrong=1)


def test_chance_after_a_verdict_follows_bayes() -> None:
    rates = VerifierRates({"jury": "model"})
    passed = rates.chance_right("jury", passed=True, prior=0.5)
    failed = rates.chance_right("jury", passed=False, prior=0.5)
    assert passed == pytest.approx(0.85 / (0.85 + 0.3))
    assert failed == pytest.approx(0.15 / (0.15 + 0.7))
    assert rates.chance_right("jury", passed=True, prior=0.0) == 0.0


WORDS = st.tuples(
    st.integers(0, 3),
    st.sampled_from(sorted(TRUST)),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from([None, "jury", "lint"]),
)


@given(words=st.lists(WORDS, max_size=30))
def test_counts_never_go_below_zero_and_do_not_depend_on_being_told_twice(
    words: list[tuple[int, Judge, float, str | None]],
) -> None:
    outcomes = [said(d, j, q, verifier=v, id=f"outcome_{n}") for n, (d, j, q, v) in enumerate(words)]
    once, twice = VerifierRates(), VerifierRates()
    once.learn(outcomes)
    for outcome in outcomes:
        twice.learn(outcomes[: outcomes.index(outcome) + 1])
    for name, counts in once.name_to_counts.items():
        assert counts == twice.name_to_counts[name]
        assert min(vars(counts).values()) >= 0
        assert 0 < once.of(name).false_accept < 1


async def test_rates_come_back_from_the_log(make_service: MakeService) -> None:
    service = await make_service()
    run = await service.run("What is the capital of France?")
    verdict = Outcome(
        decision_id=run.decision_id, run_id=run.run_id, status="judged", quality=1.0, judged_by="verifier",
        verifier="lint", has_passed=True,
    )  # fmt: skip
    await service.stores.journal.write(verdict)
    await service.feedback(run.decision_id, quality=0.0, judged_by="user")
    rates = VerifierRates()
    await rates.restore(service.stores, limit=100)
    assert rates.name_to_counts == {"lint": Counts(accepted_wrong=1)}
    forgetful = VerifierRates()
    await forgetful.restore(service.stores, limit=1)
    assert forgetful.name_to_counts == {}
