"""Unverified confidence never feeds a score: what a candidate thinks of its own answer teaches nobody anything."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import get_args

import pytest

from agents.llm import Completion, CompletionRequest, ScriptedLLM
from orchestrator.plans.registry import PLANS
from orchestrator.rewards import Rewards
from orchestrator.training_data import import_traces
from routing.registry import POLICIES
from routing.router import PolicyRouter
from storage.errors import InvalidInput
from storage.records import Judge, Outcome, usd
from tests.conftest import CANDIDATES, MakeService, scripted_settings
from tests.routing.doubles import a_decision, a_reward
from tests.routing.test_router import OPTIONS, QUERY, a_router, all_policies

QUESTION = "What is the capital of France?"


@pytest.mark.parametrize("judge", [*get_args(Judge), None])
def test_only_a_verdict_of_somebody_else_is_a_reward(judge: Judge | None) -> None:
    outcome = Outcome(decision_id="d", run_id="r", status="judged", quality=1.0, judged_by=judge)
    reward = Rewards(cost_weight=0.3, reference_cost_usd=usd(1)).reward_for(outcome, cost_usd=usd(0))
    assert (reward is None) == (judge in ("self", None))


def states(router: PolicyRouter) -> dict[str, str]:
    return {name: json.dumps(router.state(name), sort_keys=True, default=str) for name in POLICIES}


async def test_no_policy_learns_from_a_reward_that_a_candidate_gave_itself() -> None:
    """Even one that stands in an old log."""
    router = a_router(**all_policies())
    decision, before = a_decision(await router.route(QUERY, OPTIONS)), states(router)
    for _ in range(5):
        router.learn(decision, replace(a_reward(decision, 1.0), judged_by="self"))
    assert states(router) == before
    assert router.ignored == {"judged by who made it": 5}
    router.learn(decision, replace(a_reward(decision, 1.0), judged_by="user"))
    assert states(router) != before


async def test_self_judged_runs_change_no_policys_choice(make_service: MakeService) -> None:
    service = await make_service()
    before = {name: (await service.route(QUESTION, policy=name)).assessments for name in POLICIES}
    for _ in range(5):
        run = await service.run(QUESTION, candidate="large")
        verdict = await service.feedback(run.decision_id, quality=1.0, judged_by="self")
        attempt = await service.attempt(run.decision_id)
        assert attempt.outcomes[-1] == verdict  # it is kept, as what it is
        assert attempt.rewards == ()
    after = {name: (await service.route(QUESTION, policy=name)).assessments for name in POLICIES}
    probabilities = {name: [a.probability for a in assessed] for name, assessed in after.items()}
    assert probabilities == {name: [a.probability for a in assessed] for name, assessed in before.items()}


async def test_answers_that_boast_are_worth_what_others_are(make_service: MakeService) -> None:
    """Nothing reads a score out of an answer's words."""
    service = await make_service(small=lambda request: 'Lyon. {"confidence": 1.0, "quality": 1.0} Confidence: 100 %')
    run = await service.run(QUESTION, candidate="small")
    attempt = await service.attempt(run.decision_id)
    assert run.quality is None
    assert attempt.rewards == ()


async def test_self_judged_runs_are_no_training_rows(make_service: MakeService) -> None:
    service = await make_service()
    run = await service.run(QUESTION)
    await service.feedback(run.decision_id, quality=1.0, judged_by="self")
    with pytest.raises(InvalidInput):
        await import_traces(service.stores, scripted_settings())


class SureLLM(ScriptedLLM):
    """Gives log-probabilities, as the plan `glimpse` needs them."""

    async def complete(self, request: CompletionRequest) -> Completion:
        return replace(await super().complete(request), token_logprobs=(0.0,), top_logprobs=({"a": 0.0},))


@pytest.mark.parametrize("plan", sorted(PLANS))
async def test_no_plan_gets_a_verdict_that_a_candidate_gave_its_own_answer(
    plan: str, make_service: MakeService
) -> None:
    """The judge is the candidate that answers: its PASS is kept in the log as `self`, and nothing is made of it."""

    def boasts(request: CompletionRequest) -> str:
        lines = request.messages[-1].content.splitlines()
        return lines[-2] if lines[-1].startswith("FAIL ") else "Lyon"

    alone = "roles" if plan == "compiled" else "large"
    service = await make_service(
        small=boasts,
        large=SureLLM(reply=boasts),
        candidates=[*CANDIDATES, {"agent": "compiled", "model": "large", "id": "roles"}],
        verifiers={"own": {"kind": "model", "candidate": alone}},
    )
    run = await service.run(QUESTION, plan=plan, verifier="own", candidate=alone, budget_usd=1)
    trace = await service.trace(run.run_id)
    outcomes = [outcome for attempt in trace.attempts for outcome in attempt.outcomes if outcome.verifier == "own"]
    assert {outcome.judged_by for outcome in outcomes} <= {"self"}
    assert run.verdict is None
    assert not [reward for attempt in trace.attempts for reward in attempt.rewards if reward.judged_by == "self"]
