"""A run's steps as a tree: what was done for a decision stands under it, in the order of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from orchestrator.reading import Attempt, Trace
from orchestrator.run_tree import Step, tree_of, whole
from storage.conformance_records import a_decision, a_payload, an_outcome
from storage.records import Span
from tests.conftest import MakeService, fails

QUESTION = "What is the capital of France?"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def outline(steps: tuple[Step, ...]) -> list[object]:
    """Names, with those below in a list behind them."""
    found: list[object] = []
    for step in steps:
        found.append(step.span.name if step.span else step.attempt.decision.step if step.attempt else "")
        if step.children:
            found.append(outline(step.children))
    return found


async def test_attempts_of_a_run_have_their_spans_below_them(make_service: MakeService) -> None:
    service = await make_service(small=fails, seed=1)
    run = next(r for r in [await service.run(QUESTION) for _ in range(4)] if r.attempts == 2)
    steps = tree_of(await service.trace(run.run_id))
    assert [step.is_failed for step in steps] == [True, False]
    assert [outline((step,))[0] for step in steps] == ["answer", "answer"]
    assert outline(steps[1].children) == ["route", "execute", ["chat"]]
    assert [step.cost_usd for step in steps] == [Decimal(0), run.cost_usd]


async def test_decisions_of_a_plan_stand_under_it_with_their_costs_summed(make_service: MakeService) -> None:
    service = await make_service()
    run = await service.run(QUESTION, plan="vote")
    [plan] = tree_of(await service.trace(run.run_id))
    assert plan.span is not None
    assert plan.span.name == "plan"
    assert len(plan.children) == len(run.decision_ids) > 1
    assert plan.cost_usd == run.cost_usd
    assert all(plan.started_at <= child.started_at for child in plan.children)
    assert list(plan.children) == sorted(plan.children, key=lambda step: step.started_at)


def test_a_decision_without_spans_and_a_span_of_nobody_are_there() -> None:
    decision = a_decision(a_payload(), at=NOON)
    attempt = Attempt(decision=decision, outcomes=(an_outcome(decision),), rewards=())
    lone = Span(run_id=decision.run_id, name="step", started_at=NOON + timedelta(seconds=1), seconds=2.0, parent_id="x")
    trace = Trace(run_id=decision.run_id, query_text=None, answer_text=None, attempts=(attempt,), spans=(lone,))
    steps = tree_of(trace)
    assert outline(steps) == ["answer", "step"]
    assert steps[0].seconds == 0.25
    assert whole(steps) == (NOON, 3.0)
    assert whole(()) is None
