"""Provenance of a message: who, from what, at what cost, and who looked at it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import get_args

import pytest

from storage.conformance import a_decision, an_outcome
from storage.provenance import (
    JUDGE_TO_VERIFICATION,
    Provenance,
    Verification,
    is_verified,
    provenance_of,
    verification_of,
)
from storage.records import Candidate, Judge, ModelCard, Payload, TokenUsage, usd

CANDIDATE = Candidate(
    id="solver", agent="single_turn", model="m", card=ModelCard(model="m", version="2026-10", fingerprint="ab12")
)


def test_every_judge_is_some_verification() -> None:
    assert set(JUDGE_TO_VERIFICATION) == set(get_args(Judge))
    assert {*JUDGE_TO_VERIFICATION.values(), "unverified"} == set(get_args(Verification))


@pytest.mark.parametrize("judge", [*get_args(Judge), None])
def test_only_what_somebody_else_said_may_teach(judge: Judge | None) -> None:
    assert is_verified(judge) == (judge not in (None, "self"))
    assert is_verified(judge) == (verification_of(judge) not in ("unverified", "self"))


def test_no_confidence_travels_with_a_message() -> None:
    names = {field.name for field in fields(Provenance)}
    assert not names & {"confidence", "probability", "score", "quality"}


def test_answer_carries_its_costs_and_its_strongest_verification() -> None:
    decision = a_decision(Payload.of("?"))
    ran = replace(an_outcome(decision), quality=None, judged_by=None)
    own = replace(ran, id="o2", status="judged", quality=1.0, judged_by="self", usage=TokenUsage(), cost_usd=usd(0))
    tests = replace(own, id="o3", judged_by="verifier", quality=0.0, verifier="tests")
    assert provenance_of(CANDIDATE, decision, [ran]).verification == "unverified"
    assert provenance_of(CANDIDATE, decision, [ran, own]).verification == "self"
    found = provenance_of(CANDIDATE, decision, [ran, tests, own])
    assert (found.verification, found.verified_by) == ("tool", "tests")
    assert (found.produced_by, found.model_version, found.fingerprint) == ("solver", "2026-10", "ab12")
    assert (found.usage, found.cost_usd, found.decision_id) == (ran.usage, ran.cost_usd, decision.id)


def test_lineage_is_all_that_it_was_made_from_each_once() -> None:
    first = provenance_of(CANDIDATE, a_decision(Payload.of("?")), [])
    second = provenance_of(CANDIDATE, a_decision(Payload.of("?")), [], made_from=[first])
    merged = provenance_of(CANDIDATE, a_decision(Payload.of("?")), [], made_from=[first, second])
    assert merged.lineage == (first.decision_id, second.decision_id)
