"""Tokens, seconds and joules are budgeted as money is: masked, held, settled, and never overspent."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agents.llm import Completion, CompletionRequest, ScriptedLLM
from orchestrator.errors import BudgetAsk, DeadlineExceeded
from orchestrator.nodes import HOLD_GRACE_SECONDS
from orchestrator.plans.base import PlanSpec
from orchestrator.run_options import RunOptions
from orchestrator.service import Run, Service
from storage.audit import verify
from storage.budget_records import RESOURCES, Amount, BudgetAccount, BudgetLimits, Resource, Shortfall
from storage.errors import BudgetExceeded, ServiceError
from storage.records import Generation, utc_now
from storage.registry import open_stores
from tests.conftest import CANDIDATES, LARGE, SMALL, MakeService
from tests.orchestrator.doubles import GatedLLM, until
from tests.storage.processes import started

MEASURED = {"seconds_p95": 0.05, "joules_per_input_token": 0.01, "joules_per_output_token": 0.1}
MODELS = {"small": {**SMALL, **MEASURED}, "large": {**LARGE, **MEASURED}}
SHORT = Generation(max_output_tokens=100)
TURNS = 100  # of the event loop: more than a run needs to hold what it may take


def wordy(request: CompletionRequest) -> str:
    return "word " * 100


class Unhurried(ScriptedLLM):
    """Lets others have their turn before it answers."""

    async def complete(self, request: CompletionRequest) -> Completion:
        for _ in range(TURNS):
            await asyncio.sleep(0)
        return await super().complete(request)


async def test_a_run_is_charged_what_it_took_of_each_resource(make_service: MakeService) -> None:
    service = await make_service(small=wordy, models=MODELS)
    run = await service.run("one two three", candidate="small", generation=SHORT)
    account = await service.stores.budgets.get("default")
    assert account.spent == run.spent
    assert (run.spent.usd, run.spent.tokens) == (run.cost_usd, run.usage.total)
    assert run.spent.joules == pytest.approx(run.usage.input * 0.01 + run.usage.output * 0.1)
    assert 0 < run.spent.seconds < run.latency_seconds
    assert account.held == Amount()


async def test_a_decision_says_what_was_there_and_what_was_held(make_service: MakeService) -> None:
    service = await make_service(models=MODELS)
    run = await service.run("one", candidate="small", generation=SHORT, budget={"tokens": 1000, "joules": 100.0})
    decision = (await service.attempt(run.decision_id)).decision
    tokens = decision.resources_reserved["tokens"]
    assert decision.resources_before == {"tokens": 1000, "joules": 100}
    assert decision.resources_reserved == {
        "tokens": tokens,
        "seconds": 0.05,
        "joules": pytest.approx((tokens - 100) * 0.01 + 100 * 0.1),
    }


async def test_who_has_no_known_p95_gets_a_share_of_limited_seconds(make_service: MakeService) -> None:
    service = await make_service()
    run = await service.run("one", budget={"seconds": 10})
    assert (await service.attempt(run.decision_id)).decision.resources_reserved["seconds"] == 5
    with pytest.raises(BudgetExceeded, match=r"needs 1 s, 0\.5 s is left"):
        await service.run("one", budget={"seconds": 0.5})


async def test_limited_seconds_cut_short_who_takes_longer_and_are_never_overspent(make_service: MakeService) -> None:
    models = {"small": GatedLLM(["a"]), "large": GatedLLM(["b"])}
    service = await make_service(models=MODELS, **models)
    with pytest.raises(DeadlineExceeded, match=r"No answer within 0\.1 s"):
        await service.run("one", candidate="small", budget={"seconds": 0.2})
    assert (await service.stores.budgets.get("default")).spent.seconds == 0.1
    with pytest.raises(ServiceError):
        await service.run("one", budget={"seconds": 0.2})  # one attempt takes half, the next one half of the rest
    assert (await service.stores.budgets.get("default")).spent.seconds == pytest.approx(0.1 + 0.15)


LIMITS: dict[Resource, Any] = {"usd": Decimal("0.002"), "tokens": 3000, "seconds": 0.4, "joules": 100.0}


@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize("resource", RESOURCES)
async def test_asks_side_by_side_on_one_account_never_overspend_any_resource(
    resource: Resource, store: str, make_service: MakeService, tmp_path: Path
) -> None:
    """On seconds the models hang until they are cut short, on the others they answer as long as they may."""
    model: dict[str, Any] = {name: GatedLLM(["a"]) if resource == "seconds" else wordy for name in ("small", "large")}
    url = "memory:" if store == "memory" else f"sqlite:///{tmp_path / 'a.db'}"
    service = await make_service(store_url=url, models=MODELS, **model)
    limits = BudgetLimits.of({resource: LIMITS[resource]})
    await service.stores.budgets.open(BudgetAccount.of("job", limits, parent_id="default"))

    async def ask() -> Run | ServiceError:
        try:
            return await service.run("Say a lot.", account="job", generation=SHORT)
        except ServiceError as error:
            return error

    ends = await asyncio.gather(*(ask() for _ in range(40)))
    job = await service.stores.budgets.get("job")
    assert job.held == Amount()
    assert getattr(job.spent, resource) > 0
    assert job.limits.fits(job.spent)
    assert any(isinstance(end, BudgetExceeded) for end in ends)
    assert (await service.stores.budgets.get("default")).spent == job.spent


async def test_a_plan_s_asks_share_the_run_s_limits_and_degrade_together(make_service: MakeService) -> None:
    service = await make_service(small=Unhurried(reply=wordy), large=Unhurried(reply=wordy), models=MODELS)
    options: RunOptions = {"plan": PlanSpec(name="vote", options={"mass": 1.0}), "generation": SHORT}
    both = await service.run("Say a lot.", **options)
    assert (both.attempts, both.is_degraded) == (2, False)
    worst_case = max(each.tokens for each in await service.worst_cases("Say a lot.", {"generation": SHORT}))
    for limit in (2 * worst_case - 1, worst_case):  # then the second ask finds too little
        one = await service.run("Say a lot.", **options, budget={"tokens": limit})
        assert (one.attempts, one.is_degraded, one.spent.tokens <= limit) == (1, True, True)
    with pytest.raises(BudgetExceeded, match="are left"):
        await service.run("Say a lot.", **options, budget={"tokens": worst_case - 1})
    with pytest.raises(BudgetAsk, match="needs 1 token more than is left"):
        await service.run("Say a lot.", **options, budget={"tokens": worst_case - 1}, on_exhausted="ask")
    cut = await service.run("Say a lot.", **options, budget={"tokens": worst_case - 1}, on_exhausted="degrade")
    assert (cut.candidate_id, cut.is_degraded, cut.attempts) == ("small", True, 1)
    assert (await service.stores.budgets.get(cut.run_id)).limits.fits(cut.spent)


async def test_more_for_a_plan_is_asked_once_and_goes_to_the_run_s_account(make_service: MakeService) -> None:
    service, asked = await make_service(models=MODELS), list[Shortfall]()

    async def grant(shortfall: Shortfall) -> BudgetLimits:
        asked.append(shortfall)
        return BudgetLimits(tokens=5000)

    run = await service.run("one", plan="vote", budget={"tokens": 10}, on_exhausted="ask", more_budget=grant)
    assert (len(asked), (await service.stores.budgets.get(run.run_id)).limits.tokens) == (1, 5010)


HELD = """
import asyncio, sys
from orchestrator.bootstrap import bootstrap
from orchestrator.settings import Settings
from tests.conftest import scripted_settings
from tests.orchestrator.doubles import GatedLLM

async def main(url):
    model = GatedLLM(["a"])
    service = await bootstrap(scripted_settings(store_url=url), llms={"small": model, "large": GatedLLM([])})
    run = asyncio.create_task(service.run("Wait for it.", candidate="small", timeout_seconds=30))
    await model.has_begun.wait()
    print("held", flush=True)
    await run

asyncio.run(main(sys.argv[1]))
"""


async def test_a_kill_between_hold_and_settle_loses_no_money_and_leaves_no_hold_for_ever(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    process = started(HELD, url)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.kill()  # SIGKILL: nothing of it can tidy up
    process.communicate(timeout=30)
    stores = await open_stores(url)
    before = await stores.budgets.get("default")
    assert (before.spent, before.held.usd > 0, before.held.tokens > 0) == (Amount(), True, True)
    assert before.held.seconds == 1  # its p95 is not known, and seconds are not limited
    soon, late = timedelta(seconds=29), timedelta(seconds=31 + HOLD_GRACE_SECONDS)
    assert await stores.budgets.reap(utc_now() + soon) == []
    [hold] = await stores.budgets.reap(utc_now() + late)
    after = await stores.budgets.get("default")
    assert (after.spent, after.held) == (before.held, Amount())
    [event] = [each for each in await stores.audit.events() if each.kind == "hold_forfeited"]
    assert event.subject_id == hold.id
    assert '"amount_tokens":' in event.canonical
    assert (await verify(stores)).is_whole
    await stores.close()


async def test_the_service_reaps_what_a_killed_one_held_when_it_starts(make_service: MakeService) -> None:
    service = await make_service()
    stores = service.stores
    await stores.budgets.hold("default", Amount(tokens=70, seconds=1.5), expires_in_seconds=-1)
    again: Service = await make_service(stores=stores)

    async def is_free() -> bool:
        return (await stores.budgets.get("default")).held == Amount()

    await until(is_free)  # its first look is a task of its own
    assert (await again.stores.budgets.get("default")).spent == Amount(tokens=70, seconds=1.5)


async def test_settings_limit_the_default_account_in_every_resource(make_service: MakeService) -> None:
    service = await make_service(
        models=MODELS, candidates=CANDIDATES, budget={"account_limit_joules": 30, "account_limit_tokens": 100_000}
    )
    assert (await service.stores.budgets.get("default")).limits == BudgetLimits(tokens=100_000, joules=30.0)
    with pytest.raises(BudgetExceeded, match=r"needs 10[0-9.]+ J, 30 J is left"):
        await service.run("one", generation=Generation(max_output_tokens=1000))
