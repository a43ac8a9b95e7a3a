"""What is done when the budget allows nobody: stop before a cent leaves, degrade to what fits, or ask for more."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from agents.errors import AnswerCut
from agents.llm import CompletionRequest
from orchestrator.errors import BudgetAsk
from orchestrator.exhaustion import LEAST_OUTPUT_TOKENS
from orchestrator.run_options import RunOptions
from orchestrator.service import Service
from routing.errors import NoCandidate
from storage.budget_records import Amount, BudgetAccount, BudgetLimits, Shortfall
from storage.errors import BudgetExceeded, InvalidInput
from storage.records import Generation, TokenUsage
from tests.conftest import SMALL, MakeService, answers

QUESTION = "What is the capital of France?"
LONG = Generation(max_output_tokens=1000)
# Of `small` for the question: so many tokens in, system prompt and template with it, at $1 a million; $2 a million out.
INPUT = 152


def worst_case(output_tokens: int, *, times: int = 1) -> Decimal:
    return times * Decimal(INPUT + 2 * output_tokens) / 1_000_000


async def spent(service: Service) -> Amount:
    account = await service.stores.budgets.get("default")
    assert account.held == Amount()
    return account.spent


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({"usd": "0.0001"}, r"small: could cost \$0\.002152; \$0\.0001 is left"),
        ({"tokens": 300}, r"small: needs 1152 tokens, 300 are left"),
        ({"seconds": 0.5}, r"small: needs 2 s, 0\.5 s is left"),
        ({"joules": 20}, r"small: needs 500 J, 20 J is left"),
    ],
)
async def test_stop_says_which_resource_is_short_and_nothing_leaves(
    budget: dict[str, Any], said: str, make_service: MakeService
) -> None:
    model = {**SMALL, "seconds_p95": 2.0, "joules_per_output_token": 0.5}
    service = await make_service(models={"small": model, "large": model})
    with pytest.raises(BudgetExceeded, match=said) as raised:
        await service.run(QUESTION, generation=LONG, budget=budget)
    assert raised.value.code == "budget_exceeded"
    assert await spent(service) == Amount()
    assert (await service.attempt(str(raised.value.decision_id))).outcomes[0].status == "refused"


async def test_degrading_takes_the_cheapest_and_cuts_its_output_to_what_fits(make_service: MakeService) -> None:
    seen: list[int] = []

    def small(request: CompletionRequest) -> str:
        seen.append(request.generation.max_output_tokens)
        return answers(request)

    service = await make_service(small=small)
    run = await service.run(QUESTION, generation=LONG, budget_usd=worst_case(100), on_exhausted="degrade")
    assert (run.candidate_id, run.is_degraded, seen) == ("small", True, [100])
    decision = (await service.attempt(run.decision_id)).decision
    assert decision.budget_reserved_usd == worst_case(100)
    assert decision.propensity == 1.0
    [route] = [span for span in (await service.trace(run.run_id)).spans if span.name == "route"]
    assert route.attributes["budget.output_tokens"] == "100"


async def test_degrading_takes_the_cheapest_where_another_fits_too(make_service: MakeService) -> None:
    service = await make_service()
    for _ in range(10):
        run = await service.run(QUESTION, generation=LONG, budget={"tokens": INPUT + 50}, on_exhausted="degrade")
        assert run.candidate_id == "small"
    [other] = [a for a in (await service.attempt(run.decision_id)).decision.assessments if a.candidate_id == "large"]
    assert other.mask_reason == "the budget is nearly gone: the cheapest that still fits is taken"


async def test_nothing_is_degraded_where_somebody_fits(make_service: MakeService) -> None:
    service = await make_service()
    run = await service.run(QUESTION, generation=LONG, budget_usd=worst_case(1000), on_exhausted="degrade")
    assert (run.candidate_id, run.is_degraded) == ("small", False)


async def test_degrading_stops_where_not_even_the_shortest_answer_fits(make_service: MakeService) -> None:
    service = await make_service()
    too_little = worst_case(LEAST_OUTPUT_TOKENS) - Decimal("0.000000001")
    with pytest.raises(BudgetExceeded, match="could cost"):
        await service.run(QUESTION, generation=LONG, budget_usd=too_little, on_exhausted="degrade")
    just_enough = await service.run(QUESTION, generation=LONG, budget_usd=worst_case(16), on_exhausted="degrade")
    assert just_enough.is_degraded
    with pytest.raises(BudgetExceeded):  # an answer that is short anyway is not cut
        await service.run(
            QUESTION, generation=Generation(max_output_tokens=10), budget_usd="0.00001", on_exhausted="degrade"
        )


async def test_fallback_is_checked_against_what_the_failure_left_and_degraded_to_it(make_service: MakeService) -> None:
    """`small` fails and is paid for; `large`, ten times as dear, fitted before that and does not now."""
    service = await make_service(small=paid_failure, policy="cheapest")
    asked: RunOptions = {"generation": Generation(max_output_tokens=100), "budget_usd": worst_case(100, times=10)}
    with pytest.raises(AnswerCut, match="halfway"):  # and no second attempt beyond the budget
        await service.run(QUESTION, **asked)
    before = await spent(service)
    assert before.usd == worst_case(100)
    service = await make_service(small=paid_failure, policy="cheapest")  # a fresh one, which holds nothing against it
    degraded = await service.run(QUESTION, **asked, on_exhausted="degrade")
    assert (degraded.candidate_id, degraded.is_degraded, degraded.attempts) == ("large", True, 2)
    assert degraded.cost_usd <= worst_case(100, times=10)
    first, second = (attempt.decision for attempt in (await service.trace(degraded.run_id)).attempts)
    assert [a.mask_reason for a in first.assessments] == [None, None]
    assert second.budget_before_usd == first.budget_before_usd - worst_case(100)


def paid_failure(request: CompletionRequest) -> str:
    raise AnswerCut("Gone halfway.", usage_so_far=TokenUsage(input=INPUT, output=100))


async def test_asking_says_how_much_more_of_what_the_wanted_one_needs(make_service: MakeService) -> None:
    service = await make_service(policy="cheapest")
    with pytest.raises(BudgetAsk, match=r"'small' needs \$0\.002052 and 152 tokens more than is left") as raised:
        await service.run(QUESTION, generation=LONG, budget={"usd": "0.0001", "tokens": 1000}, on_exhausted="ask")
    shortfall = raised.value.shortfall
    assert raised.value.code == "budget_ask"
    assert shortfall is not None
    assert (shortfall.candidate_id, shortfall.needed.tokens) == ("small", 1152)
    assert shortfall.missing == Amount(usd=Decimal("0.002052"), tokens=152)
    assert shortfall.remaining == BudgetLimits(usd=Decimal("0.0001"), tokens=1000)
    assert await spent(service) == Amount()


async def test_more_is_granted_to_the_run_and_to_the_accounts_that_are_short(make_service: MakeService) -> None:
    service = await make_service(policy="cheapest")
    await service.stores.budgets.open(BudgetAccount(id="team", limit_tokens=500))
    await service.stores.budgets.open(BudgetAccount(id="me", parent_id="team", limit_tokens=100_000))
    asked: list[Shortfall] = []

    async def grant(shortfall: Shortfall) -> BudgetLimits:
        asked.append(shortfall)
        return BudgetLimits(usd=shortfall.missing.usd, tokens=shortfall.missing.tokens)

    run = await service.run(
        QUESTION, account="me", generation=LONG, budget_usd="0.0001", on_exhausted="ask", more_budget=grant
    )
    assert run.candidate_id == "small"
    assert [each.missing for each in asked] == [Amount(usd=Decimal("0.002052"), tokens=652)]
    assert (await service.stores.budgets.get("team")).limits == BudgetLimits(tokens=1152)
    assert (await service.stores.budgets.get("me")).limits == BudgetLimits(tokens=100_000)


@pytest.mark.parametrize(
    ("more", "questions"), [(None, 1), (BudgetLimits(), 8), (BudgetLimits(usd=Decimal("1e-9")), 8)]
)
async def test_one_who_grants_too_little_is_asked_no_more_than_eight_times(
    more: BudgetLimits | None, questions: int, make_service: MakeService
) -> None:
    service, asked = await make_service(), list[Shortfall]()

    async def grant(shortfall: Shortfall) -> BudgetLimits | None:
        asked.append(shortfall)
        return more

    with pytest.raises(BudgetAsk):
        await service.run(QUESTION, budget_usd="0.00001", on_exhausted="ask", more_budget=grant)
    assert len(asked) == questions
    assert await spent(service) == Amount()


async def test_who_takes_over_after_a_failure_is_asked_for_anew(make_service: MakeService) -> None:
    service, asked = await make_service(policy="cheapest", small=paid_failure), list[str]()

    async def grant(shortfall: Shortfall) -> BudgetLimits | None:
        asked.append(shortfall.candidate_id)
        return BudgetLimits(usd=shortfall.missing.usd)

    run = await service.run(QUESTION, budget_usd="0.00001", on_exhausted="ask", more_budget=grant)
    assert (asked, run.candidate_id, run.attempts) == (["small", "large"], "large", 2)


async def test_who_is_masked_for_another_reason_is_not_asked_for(make_service: MakeService) -> None:
    service = await make_service()
    for mode in ("ask", "degrade"):
        with pytest.raises(NoCandidate):
            await service.run(QUESTION, requires=("vision",), budget_usd="0.00001", on_exhausted=mode)


async def test_settings_say_what_is_done_and_a_caller_may_say_otherwise(make_service: MakeService) -> None:
    service = await make_service(budget={"on_exhausted": "degrade", "run_limit_tokens": INPUT + 20})
    assert (await service.run(QUESTION)).is_degraded
    with pytest.raises(BudgetExceeded, match="needs 408 tokens, 172 are left"):
        await service.run(QUESTION, on_exhausted="stop")
    with pytest.raises(InvalidInput, match="known: stop, degrade, ask"):
        await service.run(QUESTION, on_exhausted="beg")


async def test_preview_degrades_too(make_service: MakeService) -> None:
    service = await make_service()
    decision = await service.route(QUESTION, generation=LONG, budget_usd=worst_case(100), on_exhausted="degrade")
    assert (decision.candidate_id, decision.budget_reserved_usd) == ("small", worst_case(100))
