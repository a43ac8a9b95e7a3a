"""Verdicts: learned once, the same after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from orchestrator.checkers import Checker
from orchestrator.service import Service
from routing.registry import POLICIES
from storage.errors import BudgetExceeded, IdempotencyConflict, InvalidInput, RecordNotFound
from storage.stores import DecisionFilter
from tests.conftest import MakeService

QUESTION = "What is the capital of France?"


async def test_verdict_is_learned(make_service: MakeService) -> None:
    service = await make_service(policy="table", reward={"cost_weight": 0.0})
    run = await service.run(QUESTION, candidate="small")
    verdict = await service.feedback(run.decision_id, quality=0.75)
    assert (verdict.status, verdict.quality, verdict.judged_by) == ("judged", 0.75, "user")
    attempt = await service.attempt(run.decision_id)
    assert [o.status for o in attempt.outcomes] == ["succeeded", "judged"]
    assert [reward.value for reward in attempt.rewards] == [0.75]
    assert attempt.cost_usd == run.cost_usd  # a verdict costs nothing


async def test_reward_is_quality_less_what_it_cost(make_service: MakeService) -> None:
    service = await make_service(reward={"cost_weight": 0.5, "reference_cost_usd": "0.000030"})
    run = await service.run(QUESTION, candidate="small")
    await service.feedback(run.decision_id, quality=1.0)
    (reward,) = (await service.attempt(run.decision_id)).rewards
    assert reward.value == pytest.approx(1.0 - 0.5 * float(run.cost_usd) / 0.000030)


async def test_same_key_and_verdict_is_the_same_outcome(make_service: MakeService) -> None:
    service = await make_service()
    run = await service.run(QUESTION)
    first = await service.feedback(run.decision_id, quality=1.0, idempotency_key="k")
    again = await service.feedback(run.decision_id, quality=1.0, idempotency_key="k")
    assert first == again
    assert len((await service.attempt(run.decision_id)).rewards) == 1
    with pytest.raises(IdempotencyConflict):
        await service.feedback(run.decision_id, quality=0.5, idempotency_key="k")
    other = await service.feedback(run.decision_id, quality=0.5, idempotency_key="another")
    assert other.id != first.id


async def test_same_key_at_the_same_moment_is_one_outcome(make_service: MakeService, tmp_path: Path) -> None:
    service = await make_service(store_url=f"sqlite:///{tmp_path / 'a.db'}")
    run = await service.run(QUESTION)
    verdicts = await asyncio.gather(
        *(service.feedback(run.decision_id, quality=1.0, idempotency_key="k") for _ in range(10))
    )
    assert len({verdict.id for verdict in verdicts}) == 1
    attempt = await service.attempt(run.decision_id)
    assert [o.status for o in attempt.outcomes] == ["succeeded", "judged"]
    assert len(attempt.rewards) == 1


@pytest.mark.parametrize("quality", [-0.1, 1.1, float("nan")])
async def test_quality_beyond_its_range_is_refused(quality: float, make_service: MakeService) -> None:
    service = await make_service()
    run = await service.run(QUESTION)
    with pytest.raises(InvalidInput, match="quality"):
        await service.feedback(run.decision_id, quality=quality)


async def test_verdict_on_nothing_is_refused(make_service: MakeService) -> None:
    service = await make_service()
    with pytest.raises(RecordNotFound):
        await service.feedback("decision_0000000000000000", quality=1.0)
    with pytest.raises(BudgetExceeded) as raised:
        await service.run(QUESTION, budget_usd=0)
    with pytest.raises(InvalidInput, match="no answer to judge"):
        await service.feedback(str(raised.value.decision_id), quality=1.0)


async def teach(service: Service) -> None:
    for place in range(6):
        checker = Checker(kind="exact", expected="Paris" if place % 3 else "Rome")
        await service.run(f"{QUESTION} Question {place}", checker=checker)
    run = await service.run(QUESTION)
    await service.feedback(run.decision_id, quality=0.3)


async def states(service: Service) -> dict[str, str]:
    """Each policy's state, as a decision would name it."""
    return {name: (await service.route(QUESTION, policy=name)).policy_sha256 for name in POLICIES}


async def test_restart_learns_the_log_again(make_service: MakeService, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    service = await make_service(store_url=url, policy="linucb")
    fresh = await states(service)
    await teach(service)
    taught = await states(service)
    assert taught["table"] != fresh["table"]
    assert taught["linucb"] != fresh["linucb"]
    await service.close()
    assert await states(await make_service(store_url=url, policy="linucb")) == taught
    forgetful = await states(await make_service(store_url=url, policy="linucb", relearn_limit=0))
    assert {name for name in fresh if forgetful[name] != fresh[name]} == {"amro_paper", "pheromone"}  # trails are kept


async def test_restart_with_a_fixed_seed_repeats_no_random_number(make_service: MakeService, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    for _ in range(3):
        service = await make_service(store_url=url, seed=5)
        for _ in range(3):
            await service.route(QUESTION)
            await service.run(QUESTION)
        await service.close()
    service = await make_service(store_url=url, seed=5)
    counters = [each.decision.rng_counter for each in await service.stores.decisions.find(DecisionFilter())]
    assert len(counters) == 9
    assert counters == sorted(set(counters), reverse=True)
