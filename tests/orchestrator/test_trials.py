"""An endpoint that was failing is tried by one query at a time, and none is lost to it while somebody can answer."""

from __future__ import annotations

import asyncio

import pytest

from agents.errors import ModelUnavailable
from agents.llm import CompletionRequest
from orchestrator.errors import DeadlineExceeded
from orchestrator.service import Service
from tests.conftest import MakeService, answers, fails
from tests.orchestrator.doubles import GatedLLM

QUESTION = "What is the capital of France?"
PATIENT = {"policy": "cheapest", "seed": 7}


async def rested(service: Service, *models: str) -> None:
    """Their breakers are half-open from now on."""
    health, now = service.nodes.health, service.nodes.health.clock()
    for model in models:
        health.failed(model, "was down", retry_after_seconds=1.0)
    health.clock = lambda: now + 2.0


async def who(service: Service, run_id: str) -> list[str | None]:
    return [attempt.decision.candidate_id for attempt in (await service.trace(run_id)).attempts]


async def test_while_one_query_tries_it_others_go_elsewhere_and_are_told_why(make_service: MakeService) -> None:
    small = GatedLLM(["Par", "is"])
    service = await make_service(small=small, **PATIENT)
    await rested(service, "small")
    trial = asyncio.create_task(service.run(QUESTION))
    await small.has_begun.wait()
    other = await service.run(QUESTION)
    assert other.candidate_id == "large"
    decision = (await service.attempt(other.decision_id)).decision
    (reason,) = [each.mask_reason for each in decision.assessments if each.candidate_id == "small"]
    assert "is being tried by another query" in (reason or "")
    small.gate.set()
    assert (await trial).candidate_id == "small"
    assert service.nodes.health.states() == {}


async def test_queries_at_one_moment_do_not_all_try_it(make_service: MakeService) -> None:
    asked: list[str] = []

    def slow_to_fail(request: CompletionRequest) -> str:
        asked.append(request.messages[-1].content)
        raise ModelUnavailable("still down")

    service = await make_service(small=slow_to_fail, **PATIENT)
    await rested(service, "small")
    runs = await asyncio.gather(*(service.run(QUESTION) for _ in range(20)))
    assert {run.candidate_id for run in runs} == {"large"}
    assert len(asked) == 1


async def test_a_trial_that_fails_does_not_count_as_one_of_the_attempts(make_service: MakeService) -> None:
    service = await make_service(small=fails, max_attempts=1, **PATIENT)
    await rested(service, "small")
    run = await service.run(QUESTION)
    assert await who(service, run.run_id) == ["small", "large"]


async def test_a_query_tries_one_of_them_at_most_while_somebody_healthy_is_there(make_service: MakeService) -> None:
    candidates = [{"agent": "single_turn", "model": model, "id": model} for model in ("small", "middle", "large")]
    price = {"provider": "scripted", "price_input_usd_per_mtok": "2", "price_output_usd_per_mtok": "3"}
    cheap = {"provider": "scripted", "price_input_usd_per_mtok": "1", "price_output_usd_per_mtok": "1"}
    models = {"small": cheap, "middle": price, "large": {**price, "price_output_usd_per_mtok": "30"}}
    service = await make_service(small=fails, models=models, candidates=candidates, **PATIENT)
    await rested(service, "small", "middle")
    run = await service.run(QUESTION)
    assert await who(service, run.run_id) == ["small", "large"]


async def test_with_nobody_else_left_the_second_one_is_tried_too(make_service: MakeService) -> None:
    service = await make_service(small=fails, **PATIENT)
    await rested(service, "small", "large")
    run = await service.run(QUESTION)
    assert await who(service, run.run_id) == ["small", "large"]


async def test_a_trial_that_hangs_leaves_time_for_somebody_else_and_opens_it_again(make_service: MakeService) -> None:
    small = GatedLLM(["never"], before_gate=0)
    service = await make_service(small=small, **PATIENT)
    await rested(service, "small")
    run = await service.run(QUESTION, timeout_seconds=0.6)
    assert run.candidate_id == "large"
    assert service.nodes.health.states() == {"small": "open"}


async def test_a_caller_out_of_time_says_nothing_of_an_endpoint(make_service: MakeService) -> None:
    small = GatedLLM(["never"], before_gate=0)
    service = await make_service(small=small, **PATIENT)
    for _ in range(3):
        with pytest.raises(DeadlineExceeded):
            await service.run(QUESTION, candidate="small", timeout_seconds=0.02)
    assert service.nodes.health.states() == {}


async def test_a_caller_who_leaves_a_trial_leaves_it_to_the_next(make_service: MakeService) -> None:
    small = GatedLLM(["Par", "is"])
    service = await make_service(small=small, **PATIENT)
    await rested(service, "small")
    trial = asyncio.create_task(service.run(QUESTION))
    await small.has_begun.wait()
    trial.cancel()
    await asyncio.wait([trial])
    assert service.nodes.health.states() == {"small": "half_open"}
    assert service.nodes.health.admits("small", "the next")


async def test_a_look_at_what_would_be_decided_takes_no_trial(make_service: MakeService) -> None:
    service = await make_service(small=answers, **PATIENT)
    await rested(service, "small")
    assert (await service.route(QUESTION)).candidate_id == "small"
    assert (await service.run(QUESTION)).candidate_id == "small"
