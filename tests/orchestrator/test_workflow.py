"""Workflows: steps side by side, each routed and paid for by itself, one budget and one trace."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph

from agents.errors import ModelUnavailable
from agents.llm import Completion, CompletionRequest, ScriptedLLM
from orchestrator.run_options import RunOptions
from orchestrator.service import Service
from orchestrator.workflow import Workflow, routed_node
from orchestrator.workflow_runs import run_workflow
from storage.budget_records import Amount, BudgetAccount, BudgetLimits, Resource
from storage.errors import BudgetExceeded, InvalidInput
from storage.records import Generation, TokenUsage
from tests.conftest import LARGE, SMALL, MakeService
from tests.orchestrator.doubles import GatedLLM


def says(request: CompletionRequest) -> str:
    return f"<{request.messages[-1].content}>"


def review() -> Workflow:
    workflow = Workflow("review", inputs=["text"])
    return (
        workflow.step("claims", "claims {text}")
        .step("tone", "tone {text}", candidate="small")
        .step("both", "{claims} and {tone}, {{literally}}", candidate="large")
    )


async def held(service: Service) -> Decimal:
    return sum((account.held_usd for account in await service.stores.budgets.accounts()), Decimal(0))


async def test_step_may_run_a_plan_and_have_a_verifier(make_service: MakeService) -> None:
    service = await make_service(small=says, large=says, plan="vote")
    workflow = Workflow("judged", inputs=["text"])
    workflow.step("first", "say {text}")
    workflow.step("second", "{first}", plan="cascade", verifier={"kind": "regex", "pattern": ".*say.*"})
    done = await run_workflow(service, workflow, {"text": "it"}, budget_usd="0.05")
    assert done.runs["first"].plan == "vote" and done.runs["second"].plan == "cascade"
    account = await service.stores.budgets.get(done.run_id)
    assert account.spent_usd == done.cost_usd == (await service.trace(done.run_id)).cost_usd
    assert await held(service) == 0


async def test_answers_flow_into_later_prompts_in_one_trace(make_service: MakeService) -> None:
    service = await make_service(small=says, large=says)
    done = await run_workflow(service, review(), {"text": "{tone}"})
    assert done.answers["claims"] == "<claims {tone}>"  # a value is never read as a prompt
    assert done.answer == "<<claims {tone}> and <tone {tone}>, {literally}>"
    assert (done.runs["tone"].candidate_id, done.runs["both"].candidate_id) == ("small", "large")
    trace = await service.trace(done.run_id)
    assert sorted(attempt.decision.step for attempt in trace.attempts) == ["both", "claims", "tone"]
    assert done.cost_usd == trace.cost_usd == (await service.stores.budgets.get(done.run_id)).spent_usd
    assert (await service.stores.budgets.get("default")).spent_usd == done.cost_usd
    assert [span.name for span in trace.spans].count("execute") == 3


async def test_steps_that_need_nothing_of_each_other_run_side_by_side(make_service: MakeService) -> None:
    models = {"small": GatedLLM(["a"]), "large": GatedLLM(["b"])}
    service = await make_service(**models)
    workflow = Workflow("two").step("one", "one {input}", candidate="small").step("two", "{input}", candidate="large")
    task = asyncio.create_task(run_workflow(service, workflow, {"input": "x"}))
    async with asyncio.timeout(10):
        await asyncio.gather(*(model.has_begun.wait() for model in models.values()))
    for model in models.values():
        model.gate.set()
    assert (await task).answers == {"one": "a", "two": "b"}


async def test_step_that_fails_ends_the_run_and_frees_what_its_neighbours_held(make_service: MakeService) -> None:
    slow = GatedLLM(["a"])

    class FailingLater(GatedLLM):
        async def complete(self, request: CompletionRequest) -> Any:
            await slow.has_begun.wait()
            raise ModelUnavailable("Down.")

    service = await make_service(small=slow, large=FailingLater([]))
    workflow = Workflow("two").step("slow", "{input}", candidate="small").step("bad", "{input}", candidate="large")
    with pytest.raises(ModelUnavailable):
        await run_workflow(service, workflow, {"input": "x"})
    await asyncio.gather(*service.runs, return_exceptions=True)
    assert slow.was_cancelled
    assert await held(service) == 0


async def test_step_may_not_cost_more_than_its_own_budget(make_service: MakeService) -> None:
    service = await make_service(small=says, large=says)
    workflow = Workflow("w").step("one", "{input}").step("two", "{one}", budget_usd="0.0000001")
    with pytest.raises(BudgetExceeded) as raised:
        await run_workflow(service, workflow, {"input": "x"})
    assert (await service.attempt(str(raised.value.decision_id))).decision.step == "two"


async def test_all_steps_together_may_not_cost_more_than_the_whole_budget(make_service: MakeService) -> None:
    service = await make_service(small=lambda request: "word " * 200, large=says)
    alone = (await run_workflow(service, long_chain(1), {"input": "x"})).cost_usd
    limit = alone * 3
    with pytest.raises(BudgetExceeded) as raised:
        await run_workflow(service, long_chain(9), {"input": "x"}, budget_usd=limit)
    decision = (await service.attempt(str(raised.value.decision_id))).decision
    spent = (await service.stores.budgets.get(decision.run_id)).spent_usd
    assert 0 < spent <= limit
    assert await held(service) == 0


def long_chain(length: int) -> Workflow:
    workflow = Workflow("chain")
    for place in range(length):
        before = f"s{place - 1}" if place else "input"
        workflow.step(f"s{place}", f"{{{before}}}", candidate="small")
    return workflow


class GreedyLLM(ScriptedLLM):
    """Uses every output token that it is allowed, however little it says."""

    async def complete(self, request: CompletionRequest) -> Completion:
        usage = TokenUsage(input=10, output=request.generation.max_output_tokens)
        return Completion(text="ok", usage=usage)


@pytest.mark.parametrize("resource", ["usd", "tokens", "joules"])
async def test_early_steps_cannot_starve_a_critical_one(resource: Resource, make_service: MakeService) -> None:
    """The budget is enough for two long steps, which leaves too little for the short one after them."""
    model = {**SMALL, "joules_per_output_token": 0.1}
    service = await make_service(small=GreedyLLM(reply=says), models={"small": model, "large": model})
    long: RunOptions = {"candidate": "small", "generation": Generation(max_output_tokens=400)}
    [worst_case] = await service.worst_cases("ok", long)
    alone = (await service.run("ok", **long)).spent
    whole = BudgetLimits.of({resource: getattr(worst_case + alone, resource)})

    def three(*, is_critical: bool) -> Workflow:
        workflow = Workflow("w").step("one", "{input}", **long)
        workflow.step("two", "{one}", **long, on_exhausted="degrade")
        short = Generation(max_output_tokens=60)
        return workflow.step("last", "{two}", critical=is_critical, candidate="small", generation=short)

    with pytest.raises(BudgetExceeded) as raised:
        await run_workflow(service, three(is_critical=False), {"input": "ok"}, budget=whole)
    assert (await service.attempt(str(raised.value.decision_id))).decision.step == "last"
    done = await run_workflow(service, three(is_critical=True), {"input": "ok"}, budget=whole)
    assert {name: run.is_degraded for name, run in done.runs.items()} == {"one": False, "two": True, "last": False}
    account = await service.stores.budgets.get(done.run_id)
    assert (account.held, account.spent) == (Amount(), sum((run.spent for run in done.runs.values()), Amount()))
    assert whole.fits(account.spent)


async def test_no_step_takes_what_the_others_need_where_it_can_do_with_less(make_service: MakeService) -> None:
    """`large` fits the whole budget, but not one step's part of it."""
    service = await make_service(small=says, large=says, models={"small": SMALL, "large": LARGE})
    [_, dear] = await service.worst_cases("x", {})
    one = Workflow("w").step("a", "{input}")
    four = Workflow("w").step("a", "{input}").step("b", "{input}").step("c", "{input}").step("d", "{input}")
    picked = [(await run_workflow(service, one, {"input": "x"}, budget_usd=dear.usd)).runs for _ in range(20)]
    assert {runs["a"].candidate_id for runs in picked} == {"small", "large"}
    picked = [(await run_workflow(service, four, {"input": "x"}, budget_usd=dear.usd * 2)).runs for _ in range(5)]
    assert {run.candidate_id for runs in picked for run in runs.values()} == {"small"}


async def test_account_bounds_the_whole(make_service: MakeService) -> None:
    service = await make_service()
    await service.stores.budgets.open(BudgetAccount(id="poor", limit_usd=Decimal("0.000001")))
    with pytest.raises(BudgetExceeded):
        await run_workflow(service, review(), {"text": "x"}, account="poor")


async def test_chain_of_forty_steps_runs(make_service: MakeService) -> None:
    service = await make_service(small=lambda request: "ok", large=says)
    done = await run_workflow(service, long_chain(40), {"input": "x"}, budget_usd=1)
    assert len(done.runs) == 40


async def test_any_name_that_a_prompt_can_hold_is_a_step_s_name(make_service: MakeService) -> None:
    service = await make_service(small=says, large=says)
    workflow = Workflow("w").step("values", "a {input}").step("__start__", "b {values}").step("x y", "{__start__}")
    assert (await run_workflow(service, workflow, {"input": "i"})).answers["x y"] == "<<b <a i>>>"


@pytest.mark.parametrize(
    ("name", "prompt", "options", "said"),
    [
        ("b", "{nothing}", {}, "needs 'nothing': neither input nor earlier step; known: input, a"),
        ("b", "{later.attribute}", {}, "needs 'later.attribute'"),
        ("b", "{}", {}, "needs ''"),
        ("b", "{input", {}, "cannot be read"),
        ("b", "input}", {}, "cannot be read"),
        ("a", "x", {}, "has 'a' already"),
        ("input", "x", {}, "has 'input' already"),
        ("b", "x", {"budgte_usd": 1}, "'budgte_usd'; did you mean 'budget_usd'"),
        ("b", "x", {"on_exhuasted": "stop"}, "did you mean 'on_exhausted'"),
    ],
)
def test_wrong_step_is_refused(name: str, prompt: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Workflow("w").step("a", "x").step(name, prompt, **options)


@pytest.mark.parametrize("inputs", [{}, {"text": "x", "more": "y"}, {"txet": "x"}])
async def test_wrong_inputs_are_refused(inputs: dict[str, str], make_service: MakeService) -> None:
    with pytest.raises(InvalidInput, match="takes text; it got"):
        await run_workflow(await make_service(), review(), inputs)
    with pytest.raises(InvalidInput, match="has no steps"):
        await run_workflow(await make_service(), Workflow("empty", inputs=list(inputs)), inputs)


class Notes(TypedDict, total=False):
    topic: str
    summary: str
    verdict: str


async def test_routed_node_lives_in_a_graph_of_one_s_own(make_service: MakeService) -> None:
    service = await make_service(small=says, large=says)
    graph = StateGraph(Notes)
    graph.add_node("summarise", routed_node(service, "sum up {topic}", key="summary", candidate="small"))
    graph.add_node("judge", routed_node(service, "judge {summary}", key="verdict", budget_usd=0.01))
    graph.add_edge(START, "summarise")
    graph.add_edge("summarise", "judge")
    graph.add_edge("judge", END)
    final = await graph.compile().ainvoke({"topic": "ants"})
    assert final == {"topic": "ants", "summary": "<sum up ants>", "verdict": "<judge <sum up ants>>"}
