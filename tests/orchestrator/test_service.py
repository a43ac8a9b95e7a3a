"""The run path: decided, stored, held, executed, settled, recorded, learned."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from agents.errors import ModelUnavailable
from agents.llm import Completion, CompletionRequest, ScriptedLLM
from orchestrator.checkers import Checker
from orchestrator.errors import DeadlineExceeded
from orchestrator.service import Service
from routing.errors import UnknownPolicy
from storage.errors import BudgetExceeded, InvalidInput, RecordNotFound, ServiceError
from storage.records import BudgetAccount, Generation, Message, Outcome
from storage.stores import DecisionFilter
from tests.conftest import CANDIDATES, LARGE, SMALL, MakeService, answers, fails
from tests.orchestrator.doubles import GatedLLM

QUESTION = "What is the capital of France?"


async def outcomes(service: Service, decision_id: str | None) -> list[Outcome]:
    assert decision_id is not None
    return await service.stores.decisions.outcomes_of(decision_id)


async def held(service: Service) -> Decimal:
    return sum((account.held_usd for account in await service.stores.budgets.accounts()), Decimal(0))


async def newest_decision_id(service: Service) -> str:
    return (await service.stores.decisions.find(DecisionFilter(limit=1)))[0].decision.id


async def test_answer_comes_with_who_what_and_why(make_service: MakeService) -> None:
    service = await make_service()
    run = await service.run(QUESTION, candidate="small")
    assert (run.answer, run.candidate_id, run.attempts, run.quality) == ("Paris", "small", 1, None)
    attempt = await service.attempt(run.decision_id)
    assert attempt.decision.propensity == 1.0
    assert attempt.decision.budget_reserved_usd >= run.cost_usd == attempt.outcomes[0].cost_usd > 0
    assert attempt.outcomes[0].status == "succeeded"
    assert (await service.stores.budgets.get("default")).spent_usd == run.cost_usd
    assert await held(service) == 0


async def test_decision_and_hold_are_stored_before_the_candidate_runs(make_service: MakeService) -> None:
    class LookingLLM(ScriptedLLM):
        async def complete(self, request: CompletionRequest) -> Completion:
            found = await service.stores.decisions.find(DecisionFilter())
            seen.append((found[0].decision.candidate_id, await held(service)))
            return await super().complete(request)

    seen: list[tuple[str | None, Decimal]] = []
    service = await make_service(small=LookingLLM(reply=answers))
    run = await service.run(QUESTION, candidate="small")
    decision = (await service.attempt(run.decision_id)).decision
    assert seen == [("small", decision.budget_reserved_usd)]
    assert await held(service) == 0


async def test_another_candidate_takes_over_and_both_attempts_stand_in_the_trace(make_service: MakeService) -> None:
    service = await make_service(large=fails, seed=1)
    runs = [await service.run(QUESTION) for _ in range(2)]
    retried = next(run for run in runs if run.attempts == 2)
    trace = await service.trace(retried.run_id)
    assert [attempt.decision.candidate_id for attempt in trace.attempts] == ["large", "small"]
    assert [attempt.outcomes[0].status for attempt in trace.attempts] == ["failed", "succeeded"]
    masked = {a.candidate_id: a.mask_reason for a in trace.attempts[1].decision.assessments}
    assert masked["large"] is not None and "already tried" in masked["large"]
    assert {span.name for span in trace.spans} >= {"route", "execute", "chat"}
    assert trace.answer_text == "Paris"


async def test_pinned_candidate_is_not_replaced(make_service: MakeService) -> None:
    service = await make_service(small=fails)
    with pytest.raises(ModelUnavailable, match="down") as raised:
        await service.run(QUESTION, candidate="small")
    assert len(await service.stores.decisions.find(DecisionFilter())) == 1
    assert (await outcomes(service, raised.value.decision_id))[0].error_code == "model_unavailable"


async def test_when_all_fail_the_last_error_names_its_decision(make_service: MakeService) -> None:
    def slow_down(request: CompletionRequest) -> str:
        raise ModelUnavailable("Too many requests.", hint="Wait.", retry_after_seconds=7.5)

    service = await make_service(small=slow_down, large=slow_down)
    with pytest.raises(ModelUnavailable, match="Too many") as raised:
        await service.run(QUESTION)
    error = raised.value
    assert (error.hint, error.retry_after_seconds, error.is_retryable) == ("Wait.", 7.5, True)
    decision = (await service.attempt(str(error.decision_id))).decision
    assert decision.attempt == 2
    assert decision.candidate_id is not None


async def test_failure_is_told_even_where_nobody_is_left_to_take_over(make_service: MakeService) -> None:
    costly = {**LARGE, "context_window": 1}
    service = await make_service(small=fails, models={"small": SMALL, "large": costly})
    with pytest.raises(ModelUnavailable, match="down") as raised:
        await service.run(QUESTION)
    assert (await outcomes(service, raised.value.decision_id))[0].status == "failed"
    last = await service.attempt(await newest_decision_id(service))
    assert (last.decision.candidate_id, last.outcomes[0].status) == (None, "refused")


async def test_each_of_ten_candidates_is_tried(make_service: MakeService) -> None:
    candidates = [{"agent": "single_turn", "model": "small", "id": f"number-{n}"} for n in range(10)]

    def refuses(request: CompletionRequest) -> str:
        raise ServiceError("No.")

    service = await make_service(small=refuses, candidates=candidates, max_attempts=10)
    with pytest.raises(ServiceError, match=r"No\.") as raised:
        await service.run(QUESTION)
    assert (await service.attempt(str(raised.value.decision_id))).decision.attempt == 10


async def test_failing_model_rests_and_nobody_left_names_each_reason(make_service: MakeService) -> None:
    service = await make_service(small=fails, candidates=CANDIDATES[:1])
    for _ in range(2):
        with pytest.raises(ModelUnavailable):
            await service.run(QUESTION)
    with pytest.raises(ModelUnavailable, match=r"small: model 'small' failed 2 times in a row") as raised:
        await service.run(QUESTION)
    assert 0 < (raised.value.retry_after_seconds or 0) <= 5
    assert [o.status for o in await outcomes(service, raised.value.decision_id)] == ["refused"]


async def test_budget_too_small_is_refused_before_a_cent_leaves(make_service: MakeService) -> None:
    model = ScriptedLLM(reply=answers)
    service = await make_service(small=model, large=model)
    with pytest.raises(BudgetExceeded, match=r"small: could cost \$0\.0\d+; \$0\.000001 is left") as raised:
        await service.run(QUESTION, budget_usd="0.000001")
    assert model.requests == []
    (outcome,) = await outcomes(service, raised.value.decision_id)
    assert (outcome.status, outcome.error_code, outcome.quality) == ("refused", "budget_exceeded", None)
    assert (await service.stores.budgets.get("default")).spent_usd == 0


async def test_budget_that_fits_the_cheap_one_only_masks_the_dear_one(make_service: MakeService) -> None:
    service = await make_service()
    decision = await service.route(QUESTION, budget_usd="0.002")
    assert decision.candidate_id == "small"
    assert {a.candidate_id: a.mask_reason is None for a in decision.assessments} == {"small": True, "large": False}


async def test_preview_stores_nothing(make_service: MakeService) -> None:
    service = await make_service()
    await service.route(QUESTION)
    assert await service.stores.decisions.find(DecisionFilter()) == []


async def test_answer_that_takes_too_long_is_cut_off_settled_and_recorded(make_service: MakeService) -> None:
    model = GatedLLM(["a", "b"])
    service = await make_service(small=model)
    with pytest.raises(DeadlineExceeded, match=r"No answer within 0\.05 s") as raised:
        await service.run(QUESTION, candidate="small", timeout_seconds=0.05)
    assert raised.value.hint
    assert model.was_cancelled
    (outcome,) = await outcomes(service, raised.value.decision_id)
    assert (outcome.status, outcome.error_code) == ("failed", "deadline_exceeded")
    assert outcome.cost_usd > 0
    assert await held(service) == 0


async def test_attempts_share_the_time_of_the_run(make_service: MakeService) -> None:
    service = await make_service(small=GatedLLM(["a", "b"]), large=GatedLLM(["a", "b"]))
    with pytest.raises(DeadlineExceeded) as raised:
        await service.run(QUESTION, timeout_seconds=0.05)
    decision = await service.stores.decisions.get(str(raised.value.decision_id))
    assert len(await service.stores.decisions.find(DecisionFilter(run_id=decision.run_id))) == 1


async def test_bug_in_an_agent_is_settled_recorded_and_raised(make_service: MakeService) -> None:
    def broken(request: CompletionRequest) -> str:
        raise KeyError("half a pair: \ud800 and a NUL: \x00")

    service = await make_service(small=broken)
    with pytest.raises(KeyError):
        await service.run(QUESTION, candidate="small")
    (outcome,) = await outcomes(service, await newest_decision_id(service))
    assert (outcome.status, outcome.error_code) == ("failed", "internal_error (KeyError)")
    assert await held(service) == 0
    assert service.nodes.tracer.query_id_to_spans == {}
    assert (await service.run(QUESTION, candidate="large")).answer == "Paris"


async def test_model_without_a_word_has_failed(make_service: MakeService) -> None:
    service = await make_service(small=lambda request: " \n ")
    with pytest.raises(ServiceError, match="empty answer") as raised:
        await service.run(QUESTION, candidate="small")
    (outcome,) = await outcomes(service, raised.value.decision_id)
    assert outcome.cost_usd > 0


async def test_what_no_database_can_hold_is_replaced_in_the_answer(make_service: MakeService) -> None:
    service = await make_service(small=lambda request: "a\x00b\ud800c")
    run = await service.run(QUESTION, candidate="small")
    assert run.answer == "a\ufffdb\ufffdc"
    assert (await service.trace(run.run_id)).answer_text == run.answer


@pytest.mark.parametrize(
    ("text", "options", "field"),
    [
        ("", {}, "text"),
        (" \n\t", {}, "text"),
        ("x" * 70_000, {}, "text"),
        ("ä" * 40_000, {}, "text"),
        ("a\x00b", {}, "text"),
        ("half \ud83d", {}, "text"),
        ("hi", {"messages": (Message(role="user", content="\udc00"),)}, "text"),
        ("hi", {"generation": Generation(stop=("\ud800",))}, "text"),
        ("hi", {"generation": Generation(max_output_tokens=0)}, "max_tokens"),
        ("hi", {"generation": Generation(max_output_tokens=5000)}, "max_tokens"),
        ("hi", {"candidate": "nobody"}, "model"),
        ("hi", {"budget_usd": -1}, "budget_usd"),
        ("hi", {"budget_usd": "much"}, "budget_usd"),
        ("hi", {"budget_usd": float("nan")}, "budget_usd"),
        ("hi", {"budget_usd": float("inf")}, "budget_usd"),
        ("hi", {"timeout_seconds": 0}, "timeout_seconds"),
        ("hi", {"timeout_seconds": float("nan")}, "timeout_seconds"),
        ("hi", {"budget": 1}, "budget"),
    ],
)
async def test_bad_input_is_refused_by_field(
    text: str, options: dict[str, object], field: str, make_service: MakeService
) -> None:
    service = await make_service()
    with pytest.raises(InvalidInput) as raised:
        await service.run(text, **options)  # type: ignore[arg-type]  # wrong on purpose
    assert raised.value.field == field
    assert await service.stores.decisions.find(DecisionFilter()) == []


async def test_misspelt_option_is_refused_with_the_nearest(make_service: MakeService) -> None:
    service = await make_service()
    with pytest.raises(InvalidInput, match="'budget_us'; did you mean 'budget_usd'"):
        await service.run("hi", budget_us=1)  # type: ignore[call-arg]  # wrong on purpose


async def test_unknown_policy_and_account_are_refused(make_service: MakeService) -> None:
    service = await make_service()
    with pytest.raises(UnknownPolicy, match="'linucbb'"):
        await service.run("hi", policy="linucbb")
    with pytest.raises(RecordNotFound, match="'nobodys'"):
        await service.run("hi", account="nobodys")
    assert service.nodes.tracer.query_id_to_spans == {}


async def test_over_long_query_states_the_limit(make_service: MakeService) -> None:
    service = await make_service(limits={"query_bytes": 100})
    with pytest.raises(InvalidInput, match="101 bytes; at most 100"):
        await service.run("x" * 101)


async def test_checker_judges_at_once_and_the_policies_learn(make_service: MakeService) -> None:
    service = await make_service(policy="table", reward={"cost_weight": 0.0})
    good = await service.run(QUESTION, candidate="small", checker=Checker(kind="exact", expected="Paris"))
    bad = await service.run(QUESTION, candidate="large", checker=Checker(kind="exact", expected="Rome"))
    assert (good.quality, bad.quality) == (1.0, 0.0)
    assert [r.value for r in (await service.attempt(good.decision_id)).rewards] == [1.0]
    decision = await service.route(QUESTION)
    scores = {a.candidate_id: a.score for a in decision.assessments}
    assert scores["small"] > scores["large"]


async def test_answer_that_nobody_judged_teaches_nothing(make_service: MakeService) -> None:
    service = await make_service(policy="table")
    before = (await service.route(QUESTION)).policy_sha256
    run = await service.run(QUESTION)
    assert (await service.attempt(run.decision_id)).rewards == ()
    assert (await service.route(QUESTION)).policy_sha256 == before


async def test_failure_is_a_verdict(make_service: MakeService) -> None:
    service = await make_service(small=fails, policy="table")
    before = (await service.route(QUESTION)).policy_sha256
    with pytest.raises(ModelUnavailable) as raised:
        await service.run(QUESTION, candidate="small")
    attempt = await service.attempt(str(raised.value.decision_id))
    assert [reward.value for reward in attempt.rewards] == [0.0]
    assert (await service.route(QUESTION)).policy_sha256 != before


async def test_account_and_its_parent_bound_a_run(make_service: MakeService) -> None:
    service = await make_service()
    await service.stores.budgets.open(BudgetAccount(id="team", limit_usd=Decimal("0.000001")))
    await service.stores.budgets.open(BudgetAccount(id="me", parent_id="team"))
    with pytest.raises(BudgetExceeded):
        await service.run(QUESTION, account="me")


async def test_callers_side_by_side_share_nothing_but_the_store(make_service: MakeService) -> None:
    service = await make_service()
    runs = await asyncio.gather(*(service.run(QUESTION, candidate="small") for _ in range(20)))
    assert len({run.run_id for run in runs}) == 20
    spent = (await service.stores.budgets.get("default")).spent_usd
    assert spent == sum(run.cost_usd for run in runs)
    for run in runs[:3]:
        assert [s.name for s in (await service.trace(run.run_id)).spans].count("route") == 1
