"""Streams: words as they come, one candidate once the first is out, settled however they end."""

from __future__ import annotations

import asyncio

import pytest

from agents.errors import AnswerCut, ModelUnavailable
from agents.llm import CompletionRequest
from orchestrator.service import Run, Started
from storage.stores import DecisionFilter
from tests.conftest import MakeService, answers, fails
from tests.orchestrator.doubles import GatedLLM


async def test_words_come_before_the_end(make_service: MakeService) -> None:
    model = GatedLLM(["one", " two", " three"])
    service = await make_service(small=model)
    pieces = service.stream("count", candidate="small")
    started = await anext(pieces)
    assert isinstance(started, Started)
    assert await anext(pieces) == "one"
    assert not model.gate.is_set()
    assert await service.stores.decisions.outcomes_of(started.decision_id) == []
    model.gate.set()
    rest = [piece async for piece in pieces]
    assert rest[:-1] == [" two", " three"]
    run = rest[-1]
    assert isinstance(run, Run)
    assert (run.answer, run.decision_id, run.candidate_id) == ("one two three", started.decision_id, "small")


async def test_agent_whose_answer_is_known_at_its_end_gives_one_piece(make_service: MakeService) -> None:
    candidates = [{"agent": "tool_loop", "model": "small", "skills": ["calculator"], "id": "tools"}]
    service = await make_service(small=lambda request: "ANSWER: forty two", candidates=candidates)
    pieces = [piece async for piece in service.stream("What is 6 times 7?")]
    assert isinstance(pieces[0], Started)
    assert isinstance(pieces[-1], Run)
    assert pieces[1:-1] == [pieces[-1].answer]


async def test_leaving_the_loop_settles_and_records(make_service: MakeService) -> None:
    model = GatedLLM(["one", "two"])
    service = await make_service(small=model)
    pieces = service.stream("count", candidate="small")
    started = await anext(pieces)
    assert isinstance(started, Started)
    await anext(pieces)
    await pieces.aclose()
    assert model.was_cancelled
    (outcome,) = await service.stores.decisions.outcomes_of(started.decision_id)
    assert outcome.status == "cancelled"
    assert outcome.cost_usd > 0
    account = await service.stores.budgets.get("default")
    assert account.held_usd == 0
    assert account.spent_usd == outcome.cost_usd


async def test_cancelled_listener_settles_and_records(make_service: MakeService) -> None:
    model = GatedLLM(["one", "two"])
    service = await make_service(small=model)

    async def listen() -> None:
        async for _ in service.stream("count", candidate="small"):
            pass

    task = asyncio.create_task(listen())
    await model.has_begun.wait()
    task.cancel()
    await asyncio.wait([task])
    await asyncio.gather(*service.runs, return_exceptions=True)
    assert (await service.stores.budgets.get("default")).held_usd == 0
    (stored,) = await service.stores.decisions.find(DecisionFilter())
    outcomes = await service.stores.decisions.outcomes_of(stored.decision.id)
    assert [outcome.status for outcome in outcomes] == ["cancelled"]


async def test_before_the_first_word_another_may_take_over(make_service: MakeService) -> None:
    def knows(request: CompletionRequest) -> str:
        return answers(request)

    service = await make_service(small=knows, large=fails, seed=1)
    for _ in range(2):
        pieces = [piece async for piece in service.stream("What is the capital of France?")]
        run = pieces[-1]
        assert isinstance(run, Run)
        assert isinstance(pieces[0], Started)
        assert (run.answer, pieces[0].candidate_id) == ("Paris", "small")
        if run.attempts == 2:
            return
    pytest.fail("the failing candidate was never picked")


async def test_after_the_first_word_nobody_takes_over(make_service: MakeService) -> None:
    model = GatedLLM(["one", "two"], error=AnswerCut("The model died."))
    model.gate.set()
    service = await make_service(small=model, large=model)
    pieces = service.stream("count")
    got = []
    with pytest.raises(AnswerCut, match="died") as raised:
        async for piece in pieces:
            got.append(piece)
    assert got[1:] == ["one"]
    (stored,) = await service.stores.decisions.find(DecisionFilter())
    assert stored.decision.id == raised.value.decision_id
    assert (await service.stores.budgets.get("default")).held_usd == 0


async def test_error_before_any_word_is_raised(make_service: MakeService) -> None:
    service = await make_service(small=fails, large=fails)
    with pytest.raises(ModelUnavailable):
        await anext(service.stream("hello"))


async def test_half_surrogate_pairs_are_replaced_in_each_piece(make_service: MakeService) -> None:
    service = await make_service(small=lambda request: "a \ud800 b")
    pieces = [piece async for piece in service.stream("hello", candidate="small")]
    assert pieces[1:-1] == ["a", " \ufffd", " b"]
