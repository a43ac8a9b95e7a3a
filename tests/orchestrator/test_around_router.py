"""Sessions, pacing and live conditions as a caller meets them: in the decisions of a service."""

from __future__ import annotations

import asyncio
from pathlib import Path

from orchestrator.service import Run, Service
from storage.records import Assessment, BudgetAccount, Decision
from tests.conftest import LARGE, SMALL, MakeService, answers
from tests.orchestrator.doubles import GatedLLM
from tests.orchestrator.rest_app import MakeHttp, chat

QUESTION = "What is the capital of France?"
LOCK = "the session is inside a tool loop with"


async def decision_of(service: Service, run: Run) -> Decision:
    return (await service.attempt(run.decision_id)).decision


def of(decision: Decision, candidate_id: str) -> Assessment:
    return next(a for a in decision.assessments if a.candidate_id == candidate_id)


async def test_a_tool_loop_stays_with_the_candidate_that_began_it(make_service: MakeService) -> None:
    service = await make_service()
    first = await service.run(QUESTION, session="s", candidate="large")
    for _ in range(5):
        run = await service.run(QUESTION, session="s", is_tool_turn=True)
        decision = await decision_of(service, run)
        assert (run.candidate_id, decision.propensity) == (first.candidate_id, 1.0)
        assert LOCK in (of(decision, "small").mask_reason or "")
    other = await decision_of(service, await service.run(QUESTION, session="t", is_tool_turn=True))
    assert of(other, "small").mask_reason is None


async def test_outside_a_tool_loop_who_is_there_is_preferred_by_name(make_service: MakeService) -> None:
    service = await make_service()
    await service.run(QUESTION, session="s", candidate="large")
    decision = await decision_of(service, await service.run(QUESTION, session="s"))
    assert of(decision, "large").contributions["session"] >= 0.05
    assert of(decision, "large").probability > 0.9 > of(decision, "small").probability > 0


async def test_a_look_at_what_would_be_decided_begins_no_session(make_service: MakeService) -> None:
    service = await make_service()
    await service.route(QUESTION, session="s", candidate="large")
    decision = await service.route(QUESTION, session="s")
    assert all("session" not in a.contributions for a in decision.assessments)


async def test_a_session_comes_in_the_body_over_http(make_http: MakeHttp, make_service: MakeService) -> None:
    service = await make_service()
    http = await make_http(service=service)
    url = "/v1/chat/completions"
    first = await http.post(url, json=chat(antroute={"session": "s"}))
    second = await http.post(url, json=chat(antroute={"session": "s", "is_tool_turn": True}))
    assert (first.status_code, second.status_code) == (200, 200)
    decision = (await service.attempt(second.json()["id"])).decision
    assert second.json()["model"] == first.json()["model"]
    assert [a.mask_reason is None for a in decision.assessments].count(True) == 1
    refused = await http.post(url, json=chat(antroute={"session": "x" * 201}))
    assert refused.status_code == 400


async def test_calls_under_way_count_against_a_candidate(make_service: MakeService) -> None:
    slow = GatedLLM(["Paris"])
    service = await make_service(small=slow, large=answers, policy="linucb")
    before = await service.route(QUESTION)
    running = asyncio.create_task(service.run(QUESTION, candidate="small"))
    await slow.has_begun.wait()
    during = await service.route(QUESTION)
    slow.gate.set()
    await running
    after = await service.route(QUESTION)
    assert [of(d, "small").contributions.get("load", 0.0) for d in (before, after)] == [0.0, 0.0]
    assert of(during, "small").contributions["load"] < of(during, "large").contributions["load"] == 0.0


async def test_energy_of_an_answer_is_learned_with_its_verdict(make_service: MakeService) -> None:
    hungry = {**SMALL, "joules_per_input_token": 2.0, "joules_per_output_token": 10.0}
    service = await make_service(models={"small": hungry, "large": LARGE}, reward={"energy_weight": 0.5})
    run = await service.run(QUESTION, candidate="small")
    await service.feedback(run.decision_id, quality=1.0)
    reward = (await service.attempt(run.decision_id)).rewards[0]
    assert reward.joules == 2.0 * run.usage.input + 10.0 * run.usage.output > 0


async def test_spend_beyond_the_allowance_raises_a_price_that_decisions_show(make_service: MakeService) -> None:
    pacing = {"whole": {"allowance_usd": 1e-9, "period": "month"}}
    service = await make_service(pacing=pacing)
    first = await decision_of(service, await service.run(QUESTION, candidate="large"))
    assert all("pacing" not in a.contributions for a in first.assessments)
    decision = await service.route(QUESTION)
    assert of(decision, "large").contributions["pacing"] < of(decision, "small").contributions["pacing"] < 0
    assert of(decision, "small").probability > 0.9


async def test_after_a_restart_a_period_goes_on_as_it_was(make_service: MakeService, tmp_path: Path) -> None:
    changes = {
        "pacing": {"whole": {"allowance_usd": 1e-9, "period": "month"}},
        "store_url": f"sqlite:///{tmp_path / 'log.db'}",
    }
    service = await make_service(**changes)
    run = await service.run(QUESTION, candidate="large")
    await service.feedback(run.decision_id, quality=1.0)
    before = of(await service.route(QUESTION), "large").contributions["pacing"]
    await service.close()
    again = await make_service(**changes)
    assert of(await again.route(QUESTION), "large").contributions["pacing"] == before < 0


async def test_an_account_is_paced_with_all_that_draws_on_it(make_service: MakeService) -> None:
    service = await make_service(pacing={"accounts": {"team": {"allowance_usd": 1e-9, "period": "day"}}})
    await service.stores.budgets.open(BudgetAccount(id="team", parent_id="default"))
    await service.stores.budgets.open(BudgetAccount(id="job", parent_id="team"))
    await service.run(QUESTION, candidate="large", account="job")
    assert of(await service.route(QUESTION, account="team"), "large").contributions["pacing"] < 0
    assert "pacing" not in of(await service.route(QUESTION), "large").contributions
