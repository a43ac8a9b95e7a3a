"""What every plan in the registry keeps to; a new one is proved by its line there."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from orchestrator.plans.base import PlanSpec
from orchestrator.plans.registry import PLANS, make_plan, options_of, plan_class
from orchestrator.plans.scripted import ScriptedWork
from storage.errors import BudgetExceeded, InvalidInput
from storage.records import Message, Query
from tests.conftest import MakeService
from tests.orchestrator.plans.doubles import CHEAP, fails, work

ALL = sorted(PLANS)
LONG = Query(text="question", context_messages=tuple(Message(role="user", content="word " * 900) for _ in range(8)))


def scripted(**changes: object) -> ScriptedWork:
    """The candidates, and one that plays roles."""
    made = work(**changes)  # type: ignore[arg-type]
    roles = replace(CHEAP, agent="compiled", probability=0.05)
    return replace(made, name_to_candidate={**made.name_to_candidate, "roles": roles})


@pytest.mark.parametrize("name", ALL)
def test_plan_names_its_source_and_says_what_it_does(name: str) -> None:
    made = plan_class(name)
    assert made.source and made.summary.endswith(".") and made.__doc__
    assert make_plan(PlanSpec(name=name, options=options_of(name)))


@pytest.mark.parametrize("name", ALL)
def test_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="takes no option 'nonsense'"):
        make_plan(PlanSpec(name=name, options={"nonsense": 1}))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("query", [Query(text="question"), LONG], ids=["alone", "after long turns"])
async def test_answer_is_one_that_was_asked_for_and_all_are_counted(name: str, query: Query) -> None:
    doing = scripted(query=query, judge=lambda text: float("four" in text))
    result = await make_plan(PlanSpec(name=name)).run(doing)
    assert result.answer.decision_id in {answer.decision_id for answer in result.asked}
    assert (result.text or result.answer.text).strip()
    assert not result.is_degraded
    assert sum(answer.cost_usd for answer in result.asked) <= doing.spent_usd <= doing.budget_usd


@pytest.mark.parametrize("name", ALL)
async def test_without_money_nothing_is_asked(name: str) -> None:
    doing = scripted(budget_usd=Decimal("0.0001"))
    with pytest.raises(BudgetExceeded):
        await make_plan(PlanSpec(name=name)).run(doing)
    assert doing.asks == []


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("calls", [1, 2, 3, 5, 8, 12])
async def test_budget_that_ends_midway_gives_the_best_so_far_or_says_so(name: str, calls: int) -> None:
    doing = scripted(budget_usd=calls * CHEAP.price_usd, query=LONG)
    try:
        result = await make_plan(PlanSpec(name=name)).run(doing)
    except BudgetExceeded:
        assert calls < 5  # a plan that has an answer gives it
    else:
        assert result.answer.text
    assert doing.spent_usd <= doing.budget_usd


@pytest.mark.parametrize("name", sorted(set(PLANS) - {"single", "compiled", "path", "rounds", "glimpse"}))
async def test_one_that_fails_does_not_stop_those_that_ask_several(name: str) -> None:
    result = await make_plan(PlanSpec(name=name)).run(scripted(middle=fails))
    assert result.answer.candidate_id != "middle"


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [(name, option, value) for name in ALL for option in options_of(name) for value in (["x"], {"a": 1}, 10**400)],
    ids=lambda each: str(each)[:12],
)
def test_option_of_a_wrong_type_is_refused_by_name(name: str, option: str, value: object) -> None:
    if (name, option, value) == ("cascade", "order", ["x"]):
        return
    with pytest.raises(InvalidInput, match=r"must|holds|takes"):
        make_plan(PlanSpec(name=name, options={option: value}))


@pytest.mark.parametrize(
    ("name", "option"),
    [("probe", "probe"), ("refine", "refiner"), ("refine", "chooser"), ("rounds", "leader"), ("glimpse", "large")],
)
async def test_candidate_that_is_not_there_is_refused_before_anybody_is_paid(name: str, option: str) -> None:
    doing = scripted()
    with pytest.raises(InvalidInput, match=f"{option} names 'nobody'; known: cheap, dear"):
        await make_plan(PlanSpec(name=name, options={option: "nobody"})).run(doing)
    assert doing.asks == []


@pytest.mark.parametrize("name", sorted(set(PLANS) - {"compiled", "glimpse"}))
async def test_plan_runs_over_the_service(name: str, make_service: MakeService) -> None:
    service = await make_service()
    run = await service.run("What is the capital of France?", plan=name, budget_usd=1)
    assert run.plan == name and run.answer
    trace = await service.trace(run.run_id)
    assert {attempt.decision.plan for attempt in trace.attempts} == {name}
    assert trace.cost_usd == run.cost_usd
    assert name == "single" or any(span.name == "plan" for span in trace.spans)
