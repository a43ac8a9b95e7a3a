"""A plan's asks: each a decision of its own, in one run, on one account, under one clock."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from agents.llm import CompletionRequest
from orchestrator.checkers import Checker
from orchestrator.errors import DeadlineExceeded
from orchestrator.plan_runs import run_plan
from orchestrator.plans.base import Ask, Plan, PlanResult, PlanSpec, Work
from orchestrator.service import Run, Started
from orchestrator.verifiers.base import Verdict
from orchestrator.verifiers.person import PersonReply
from storage.errors import BudgetExceeded, InvalidInput
from storage.records import Query
from storage.stores import DecisionFilter
from tests.conftest import CANDIDATES, MakeService, answers
from tests.orchestrator.doubles import GatedLLM

QUESTION = "What is the capital of France?"


class Says:
    """A verifier that always says the same."""

    name = "says"

    def __init__(self, quality: float) -> None:
        self.quality = quality

    async def verify(self, query: Query, answer: str) -> Verdict:
        return Verdict(quality=self.quality, judged_by="verifier", verifier=self.name, passed=self.quality >= 0.5)


class Both(Plan):
    """Asks two candidates side by side; the second one's answer counts."""

    source = "-"
    summary = "Asks two."

    async def run(self, work: Work) -> PlanResult:
        answers = await asyncio.gather(
            *(work.ask(Ask(step=f"ask/{name}", candidate=name, wants_logprobs=True)) for name in ("small", "large"))
        )
        work.note(asked="2")
        return PlanResult(answer=answers[-1], asked=tuple(answers))


class Forever(Plan):
    source = "-"
    summary = "Asks for ever."

    async def run(self, work: Work) -> PlanResult:
        while True:
            await work.ask(Ask(step="again", candidate="small"))


async def test_asks_are_decisions_of_one_run_on_one_account(make_service: MakeService) -> None:
    service = await make_service()
    result, work = await run_plan(service, Both(), name="both", text=QUESTION, options={"budget_usd": "0.05"})
    assert result.answer.text == "Paris"
    trace = await service.trace(work.query.run_id)
    assert {a.decision.candidate_id for a in trace.attempts} == {"small", "large"}
    assert {a.decision.plan for a in trace.attempts} == {"both"}
    assert {a.decision.step for a in trace.attempts} == {"ask/small", "ask/large"}
    account = await service.stores.budgets.get(work.query.run_id)
    assert account.spent_usd == trace.cost_usd == work.cost_usd > 0
    assert (account.held_usd, account.parent_id) == (0, "default")
    spans = {span.name: span for span in trace.spans}
    assert spans["plan"].attributes == {"plan.name": "both", "plan.asked": "2"}
    assert spans["route"].parent_id == spans["plan"].id


async def test_verdict_is_recorded_and_learned_from(make_service: MakeService) -> None:
    service = await make_service()
    run = await service.run(QUESTION, candidate="small", verifier=Says(1.0))
    assert (run.quality, run.plan) == (1.0, "single")
    assert run.verdict is not None and run.verdict.verifier == "says"
    attempt = await service.attempt(run.decision_id)
    assert [outcome.status for outcome in attempt.outcomes] == ["succeeded", "judged"]
    assert attempt.rewards[0].quality == 1.0
    assert attempt.rewards[0].latency_seconds > 0


async def test_checker_judges_a_plans_answer(make_service: MakeService) -> None:
    service = await make_service()
    result, _ = await run_plan(
        service, Both(), name="both", text=QUESTION, options={"checker": Checker(kind="exact", expected="Rome")}
    )
    assert result.answer.verdict is not None and not result.answer.verdict.passed


async def test_plan_cannot_spend_more_than_the_runs_budget(make_service: MakeService) -> None:
    service = await make_service()
    limit = 2 * (await service.route(QUESTION, candidate="small")).budget_reserved_usd
    with pytest.raises(BudgetExceeded):
        await run_plan(service, Forever(), name="forever", text=QUESTION, options={"budget_usd": limit})
    spent = (await service.stores.budgets.get("default")).spent_usd
    assert 0 < spent <= limit


async def test_plan_ends_with_its_time(make_service: MakeService) -> None:
    service = await make_service(small=GatedLLM(words=["Paris"]))
    with pytest.raises(DeadlineExceeded, match="'forever'"):
        await run_plan(service, Forever(), name="forever", text=QUESTION, options={"timeout_seconds": 0.2})
    assert sum((each.held_usd for each in await service.stores.budgets.accounts()), Decimal(0)) == 0


async def test_one_that_hangs_is_judged_as_failing_and_leaves_the_others_answers(make_service: MakeService) -> None:
    service = await make_service(small=GatedLLM(words=["Paris"]))
    run = await service.run(QUESTION, plan="vote", timeout_seconds=0.2)
    assert (run.answer, run.candidate_id, run.latency_seconds < 5) == ("Paris", "large", True)
    outcomes = {a.decision.candidate_id: a.outcomes[0] for a in (await service.trace(run.run_id)).attempts}
    assert (outcomes["small"].status, outcomes["small"].error_code) == ("failed", "deadline_exceeded")
    assert set(outcomes) == {"small", "large"}


async def test_when_the_time_is_over_nobody_is_asked_any_more(make_service: MakeService) -> None:
    service = await make_service(small=GatedLLM(words=["Paris"]))
    with pytest.raises(DeadlineExceeded, match="'cascade'") as told:
        await service.run(QUESTION, plan="cascade", timeout_seconds=0.2)
    stored = await service.stores.decisions.find(DecisionFilter())
    assert [each.decision.candidate_id for each in stored] == ["small"]
    assert told.value.decision_id == stored[0].decision.id


async def test_unknown_plan_and_option_are_refused_by_name(make_service: MakeService) -> None:
    service = await make_service()
    with pytest.raises(InvalidInput, match="did you mean 'single'"):
        await service.run(QUESTION, plan="singel")
    with pytest.raises(InvalidInput, match="takes no option 'width'"):
        await service.run(QUESTION, plan=PlanSpec(name="single", options={"width": 3}))


async def test_plans_run_is_locked_to_the_sessions_candidate_inside_a_tool_loop(make_service: MakeService) -> None:
    service = await make_service()
    first = await service.run(QUESTION, session="chat", verifier=Says(1.0))
    for _ in range(8):
        later = await service.run(QUESTION, session="chat", is_tool_turn=True, verifier=Says(1.0))
        assert later.candidate_id == first.candidate_id


async def test_second_run_of_one_run_id_has_its_own_budget_and_costs(make_service: MakeService) -> None:
    service = await make_service()
    first, second = [await service.run(QUESTION, plan="vote", run_id="run_mine") for _ in range(2)]
    assert first.cost_usd == second.cost_usd
    assert (await service.stores.budgets.get("default")).spent_usd == first.cost_usd + second.cost_usd


async def test_plan_asks_nobody_but_the_candidate_that_the_caller_wants_alone(make_service: MakeService) -> None:
    service = await make_service()
    run = await service.run(QUESTION, plan="vote", candidate="small")
    assert {a.decision.candidate_id for a in (await service.trace(run.run_id)).attempts} == {"small"}
    led = PlanSpec(name="rounds", options={"leader": "large"})
    with pytest.raises(InvalidInput, match="asks candidate 'large', and the caller wants 'small' alone"):
        await service.run(QUESTION, plan=led, candidate="small")


async def test_judge_that_cannot_say_is_asked_and_paid_once_for_an_answer(make_service: MakeService) -> None:
    asked: list[str] = []

    def judging(request: CompletionRequest) -> str:
        text = request.messages[-1].content
        if not text.startswith("You judge"):
            return answers(request)
        asked.append(text)
        return "Who knows."

    service = await make_service(large=judging, verifiers={"judge": {"kind": "model", "candidate": "large"}})
    run = await service.run(QUESTION, candidate="small", verifier="judge")
    assert (run.verdict, len(asked)) == (None, 1)


async def test_nobody_is_asked_to_judge_what_it_wrote_itself(make_service: MakeService) -> None:
    service = await make_service(verifiers={"judge": {"kind": "model"}}, candidates=CANDIDATES[:1])
    run = await service.run(QUESTION, verifier="judge")
    trace = await service.trace(run.run_id)
    assert run.verdict is None and trace.cost_usd == run.cost_usd == trace.attempts[0].outcomes[0].cost_usd


async def test_judge_may_be_another_than_the_one_that_alone_may_answer(make_service: MakeService) -> None:
    service = await make_service(verifiers={"judge": {"kind": "model", "candidate": None}})
    run = await service.run(QUESTION, candidate="small", verifier="judge")
    decisions = [attempt.decision for attempt in (await service.trace(run.run_id)).attempts]
    assert [(each.step, each.candidate_id) for each in decisions] == [("answer", "small"), ("judge", "large")]


@pytest.mark.parametrize(
    "options", [{"plan": 5}, {"plan": {"name": "vote"}}, {"verifier": 5}, {"timeout_seconds": "x"}]
)
async def test_options_of_another_type_are_refused(make_service: MakeService, options: dict[str, Any]) -> None:
    service = await make_service()
    with pytest.raises(InvalidInput, match="must"):
        await service.run(QUESTION, **options)


async def test_streamed_run_with_a_verifier_tells_who_answers_first(make_service: MakeService) -> None:
    service = await make_service()
    pieces = [piece async for piece in service.stream(QUESTION, candidate="small", verifier=Says(0.0))]
    assert isinstance(pieces[0], Started) and isinstance(pieces[-1], Run)
    assert "".join(piece for piece in pieces if isinstance(piece, str)) == "Paris"


async def test_standings_tell_prices_and_masks_without_asking(make_service: MakeService) -> None:
    service = await make_service()
    seen = []

    class Looks(Plan):
        source = summary = "-"

        async def run(self, work: Work) -> PlanResult:
            seen.extend(await work.standings(step="solve"))
            assert await work.remaining_usd() > 0
            return PlanResult(answer=await work.ask(Ask(step="solve", among=frozenset({"large"}))))

    result, _ = await run_plan(service, Looks(), name="looks", text=QUESTION, options={})
    assert result.answer.candidate_id == "large"
    assert {each.candidate_id for each in seen} >= {"small", "large"}
    prices = {each.candidate_id: each.price_usd for each in seen}
    assert prices["large"] > prices["small"] > 0


async def test_named_verifiers_reach_a_judge_and_a_person(make_service: MakeService) -> None:
    def judging(request: CompletionRequest) -> str:
        text = request.messages[-1].content
        return f"Fine.\n{text.splitlines()[-2]}" if text.startswith("You judge") else answers(request)

    async def person(question: str, answer: str) -> PersonReply:
        asked.append(answer)
        return PersonReply(quality=0.25)

    asked: list[str] = []
    named = {"judge": {"kind": "model", "candidate": "large"}, "boss": {"kind": "person", "seconds": 5}}
    service = await make_service(large=judging, verifiers=named)
    run = await service.run(QUESTION, candidate="small", verifier="judge")
    assert run.verdict is not None
    assert (run.verdict.passed, run.verdict.judged_by, run.verdict.judge_id) == (True, "judge", "large")
    run = await service.run(QUESTION, candidate="small", verifier="boss", ask_person=person)
    assert (run.quality, asked) == (0.25, ["Paris"])
    rates = service.verdicts.rates.of("judge")
    assert 0 < rates.false_accept < 1
