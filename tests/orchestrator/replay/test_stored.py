"""What a stored decision says of itself, and what does not fit in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.replay.stored import checked, path_of
from storage.records import Assessment, Decision
from tests.conftest import MakeService
from tests.orchestrator.replay.replay_doubles import asked, decisions_in


@pytest.fixture
async def decision(make_service: MakeService) -> Decision:
    service = await make_service()
    await asked(service, 1)
    return (await decisions_in(service.stores))[0]


def with_first(decision: Decision, **changes: object) -> Decision:
    """The decision with something else in its first assessment."""
    first: Assessment = replace(decision.assessments[0], **changes)  # type: ignore[arg-type]  # of its own fields
    return replace(decision, assessments=(first, *decision.assessments[1:]))


async def test_whole_decision_draws_the_same_one_and_has_no_faults(decision: Decision) -> None:
    found = checked(decision)
    assert (found.redrawn_id, found.is_same_action, found.faults) == (decision.candidate_id, True, ())
    assert found.recomputed == "not_recomputed"
    assert found.path == ("uniform",)


async def test_other_random_number_is_told(decision: Decision) -> None:
    others = (replace(decision, rng_counter=counter) for counter in range(1, 50))
    other = next(each for each in others if not checked(each).is_same_action)
    assert f"stored is {decision.candidate_id!r}" in checked(other).faults[0]
    assert not checked(other).is_same


async def test_score_that_is_not_the_sum_of_its_parts_is_a_fault(decision: Decision) -> None:
    found = checked(with_first(decision, score=0.75))
    assert "sum to 0.5, its score is 0.75" in found.faults[0]
    assert found.is_same_action
    assert not found.is_same


async def test_propensity_that_is_not_the_chosen_ones_probability_is_a_fault(decision: Decision) -> None:
    assert any("the propensity is 0.9" in fault for fault in checked(replace(decision, propensity=0.9)).faults)


async def test_masked_candidate_with_a_chance_is_a_fault(decision: Decision) -> None:
    faults = checked(with_first(decision, mask_reason="too dear")).faults
    assert "is masked and has the probability" in faults[0]


async def test_decision_for_nobody_draws_nobody(decision: Decision) -> None:
    masked = tuple(replace(each, probability=0.0, mask_reason="too dear") for each in decision.assessments)
    found = checked(replace(decision, assessments=masked, candidate_id=None, propensity=0.0))
    assert found.redrawn_id is None
    assert found.is_same


async def test_path_names_each_rule_that_had_a_hand_in_it(decision: Decision) -> None:
    parts = {"equal_chance": 0.5, "load": -0.1, "pacing": -0.2, "session": 0.05}
    other = with_first(decision, contributions=parts)
    other = replace(other, policy="uniform (after encoder_unavailable)", attempt=2)
    path = ("uniform", "conditions", "fallback", "pacing", "session", "ranking after a failure")
    assert path_of(other) == path
