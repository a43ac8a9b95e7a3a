"""The meter: every call is charged, none goes beyond the hold, and callers together never overspend an account."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from agents.errors import AnswerCut, ModelUnavailable
from agents.llm import CompletionRequest, ScriptedLLM
from orchestrator.budget import Meter, MeteredLLM
from storage.errors import BudgetExceeded
from storage.records import Amount, Generation, Message, ModelCard, TokenUsage
from tests.conftest import MakeService, answers
from tests.orchestrator.doubles import GatedLLM, cancelled

CARD = ModelCard(model="m", price_input_usd_per_mtok=Decimal(1), price_output_usd_per_mtok=Decimal(2))
REQUEST = CompletionRequest(
    messages=(Message(role="user", content="one two three"),), generation=Generation(max_output_tokens=10)
)
TOKENS = 1000


def held(amount_usd: Decimal) -> Amount:
    return Amount(usd=amount_usd, tokens=TOKENS)


WORST_CASE = Decimal("0.000105")  # 13 bytes + 8 a message + 64 a template, and 10 tokens out at twice the price


async def test_call_is_charged_what_the_provider_counted() -> None:
    meter = Meter(CARD, held(WORST_CASE))
    await MeteredLLM(ScriptedLLM(reply=lambda request: "four five"), meter).complete(REQUEST)
    assert meter.usage == TokenUsage(input=3, output=2)
    assert meter.spent_usd == Decimal("0.000007")


async def test_call_whose_worst_case_is_beyond_the_hold_is_not_made() -> None:
    model = ScriptedLLM(reply=answers)
    meter = Meter(CARD, held(WORST_CASE - Decimal("0.000000001")))
    with pytest.raises(BudgetExceeded, match=r"could cost \$0\.000105"):
        await MeteredLLM(model, meter).complete(REQUEST)
    with pytest.raises(BudgetExceeded):
        await anext(MeteredLLM(model, meter).stream(REQUEST))
    assert model.requests == []


async def test_second_call_may_only_take_what_the_first_left() -> None:
    meter = Meter(CARD, held(WORST_CASE))
    llm = MeteredLLM(ScriptedLLM(reply=answers), meter)
    await llm.complete(REQUEST)
    with pytest.raises(BudgetExceeded, match="is left"):
        await llm.complete(REQUEST)


@pytest.mark.parametrize(("may_be_billed", "spent_usd"), [(True, WORST_CASE), (False, Decimal(0))])
async def test_call_without_an_answer_costs_its_worst_case_unless_it_never_began(
    may_be_billed: bool, spent_usd: Decimal
) -> None:
    def silent(request: CompletionRequest) -> str:
        raise ModelUnavailable("No answer.", may_be_billed=may_be_billed)

    for is_streamed in (False, True):
        meter = Meter(CARD, held(WORST_CASE))
        llm = MeteredLLM(ScriptedLLM(reply=silent), meter)
        with pytest.raises(ModelUnavailable):
            await (anext(llm.stream(REQUEST)) if is_streamed else llm.complete(REQUEST))
        assert meter.spent_usd == spent_usd


async def test_stream_that_is_left_is_charged_by_its_bytes_where_one_piece_holds_many_tokens() -> None:
    meter = Meter(CARD, held(Decimal(1)))
    stream = MeteredLLM(GatedLLM(["word " * 200]), meter).stream(REQUEST)
    await anext(stream)
    await stream.aclose()
    assert meter.usage.output == 334  # 1000 bytes, three a token


async def test_cut_answer_is_paid_for() -> None:
    def cut(request: CompletionRequest) -> str:
        raise AnswerCut("Gone.", usage_so_far=TokenUsage(input=3, output=4))

    meter = Meter(CARD, held(2 * WORST_CASE))
    with pytest.raises(AnswerCut):
        await MeteredLLM(ScriptedLLM(reply=cut), meter).complete(REQUEST)
    with pytest.raises(AnswerCut):
        await anext(MeteredLLM(ScriptedLLM(reply=cut), meter).stream(REQUEST))
    assert meter.usage == TokenUsage(input=6, output=8)


async def test_call_that_never_began_costs_nothing() -> None:
    def refuse(request: CompletionRequest) -> str:
        raise ModelUnavailable("Down.")

    meter = Meter(CARD, held(WORST_CASE))
    with pytest.raises(ModelUnavailable):
        await MeteredLLM(ScriptedLLM(reply=refuse), meter).complete(REQUEST)
    with pytest.raises(ModelUnavailable):
        await anext(MeteredLLM(ScriptedLLM(reply=refuse), meter).stream(REQUEST))
    assert meter.spent_usd == 0


async def test_cancelled_call_is_charged_its_worst_case() -> None:
    model, meter = GatedLLM(["a"], before_gate=0), Meter(CARD, held(WORST_CASE))
    task = asyncio.create_task(MeteredLLM(model, meter).complete(REQUEST))
    await model.has_begun.wait()
    await cancelled(task)
    assert meter.spent_usd == WORST_CASE


async def test_call_that_ends_in_a_bug_is_charged_its_worst_case() -> None:
    def broken(request: CompletionRequest) -> str:
        raise KeyError("choices")

    meter = Meter(CARD, held(WORST_CASE))
    with pytest.raises(KeyError):
        await MeteredLLM(ScriptedLLM(reply=broken), meter).complete(REQUEST)
    assert meter.spent_usd == WORST_CASE


async def test_stream_that_is_left_is_charged_what_came() -> None:
    meter = Meter(CARD, held(WORST_CASE))
    stream = MeteredLLM(GatedLLM(["a", "b", "c"], before_gate=2), meter).stream(REQUEST)
    await anext(stream)
    await anext(stream)
    await stream.aclose()
    assert meter.usage.output == 2
    assert 0 < meter.spent_usd <= WORST_CASE


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_a_hundred_callers_never_overspend_a_cent(store: str, make_service: MakeService, tmp_path: Path) -> None:
    service = await make_service(
        store_url="memory:" if store == "memory" else f"sqlite:///{tmp_path / 'a.db'}",
        budget={"account_limit_usd": "0.01"},
        small=lambda request: "word " * 250,
        large=lambda request: "word " * 250,
    )

    async def ask() -> Decimal:
        try:
            return (await service.run("Say a lot.")).cost_usd
        except BudgetExceeded as error:
            assert error.decision_id is not None
            return Decimal(0)

    costs = await asyncio.gather(*(ask() for _ in range(100)))
    account = await service.stores.budgets.get("default")
    assert account.spent_usd == sum(costs)
    assert 0 < account.spent_usd <= Decimal("0.01")
    assert account.held_usd == 0
    assert 0 in costs  # not everybody got an answer
