"""Why this one? The words say who was masked, what counted, how close it was, and the money."""

from __future__ import annotations

from decimal import Decimal

import pytest

from orchestrator.explain import explain
from orchestrator.explain_trace import trace_lines
from orchestrator.explanation import margin_of
from storage.errors import BudgetExceeded
from storage.money import dollars
from tests.conftest import MakeService, fails

QUESTION = "What is the capital of France?"


@pytest.mark.parametrize(
    ("amount", "said"),
    [("0", "$0.00"), ("1", "$1.00"), ("0.5", "$0.50"), ("0.000001500", "$0.0000015"), ("1234.56", "$1234.56")],
)
def test_money_has_cents_and_no_zeros_beyond(amount: str, said: str) -> None:
    assert dollars(Decimal(amount)) == said


async def test_only_one_allowed_is_told_with_the_reasons_of_the_others(make_service: MakeService) -> None:
    service = await make_service()
    run = await service.run(QUESTION, budget_usd="0.002")
    text = "\n".join(explain(await service.attempt(run.decision_id)))
    assert f"{run.decision_id}  (run {run.run_id}, step 'answer', attempt 1)" in text
    assert "Picked small with probability 1.000, by policy 'uniform'; it was the only one allowed." in text
    assert "large" in text.split("Masked")[1]
    assert "could cost $0.0" in text
    assert f"{dollars(run.cost_usd)} spent" in text
    assert "not judged yet" in text


async def test_exploration_says_so_and_the_best_says_how_far_ahead(make_service: MakeService) -> None:
    service = await make_service(policy="table", reward={"cost_weight": 0.0})
    for name, quality in (("small", 1.0), ("large", 0.0)):
        for _ in range(8):
            run = await service.run(QUESTION, candidate=name)
            await service.feedback(run.decision_id, quality=quality)
    said = set()
    for _ in range(300):
        run = await service.run(QUESTION)
        attempt = await service.attempt(run.decision_id)
        gap = margin_of(attempt.decision)
        assert gap is not None
        verdict = explain(attempt)[1]
        assert (gap < 0) == ("this was exploration" in verdict) == (run.candidate_id == "large")
        said.add(run.candidate_id)
        if said == {"small", "large"}:
            return
    pytest.fail(f"only {said} picked")


async def test_nobody_picked_is_told(make_service: MakeService) -> None:
    service = await make_service()
    with pytest.raises(BudgetExceeded) as raised:
        await service.run(QUESTION, budget_usd=0)
    lines = explain(await service.attempt(str(raised.value.decision_id)))
    assert lines[1] == "Nobody was picked: every candidate is masked."
    assert any("budget_exceeded" in line for line in lines)


async def test_trace_shows_every_attempt_and_its_spans(make_service: MakeService) -> None:
    service = await make_service(small=fails, seed=1)
    run = next(r for r in [await service.run(QUESTION) for _ in range(4)] if r.attempts == 2)
    lines = trace_lines(await service.trace(run.run_id))
    text = "\n".join(lines)
    assert text.index("  small  p 0.") < text.index("  large  p 1.")
    assert "model_unavailable: The model server is down." in text
    assert sum("─ execute " in line or "─ ✗ execute " in line for line in lines) == 2
    assert any(line.startswith("✗ answer → small") for line in lines)
    assert any(line.startswith("answer (attempt 2) → large") for line in lines)
    assert "answer  Paris" in text


async def test_erased_text_is_told(make_service: MakeService) -> None:
    service = await make_service()
    run = await service.run(QUESTION)
    decision = (await service.attempt(run.decision_id)).decision
    await service.stores.payloads.erase(decision.payload_id)
    assert "  query   (erased, or none)" in trace_lines(await service.trace(run.run_id))
