"""A run in a terminal: nothing is wider than it, and no stranger's control character gets there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.cells import cell_len

from orchestrator.explain import explain
from orchestrator.explain_trace import trace_lines
from orchestrator.reading import Attempt, Trace
from storage.records import Assessment
from tests.conftest import MakeService, fails

HOSTILE = "\x1b[31mred\x9b2J\u202e\n漢字漢字 " + "long " * 60
NAME = "\x1b[2J漢字" * 15


async def hostile_trace(make_service: MakeService) -> Trace:
    """A plan's run, whose names and texts are as bad as strangers can make them."""
    service = await make_service(small=fails)
    trace = await service.trace((await service.run("What is the capital of France?", plan="vote")).run_id)
    attempts = tuple(renamed(attempt) for attempt in trace.attempts)
    spans = tuple(
        replace(span, name=span.name if span.name in ("plan", "execute") else HOSTILE, attributes=dict(span.attributes))
        for span in trace.spans
    )
    return replace(trace, query_text=HOSTILE, answer_text=HOSTILE, attempts=attempts, spans=spans)


def renamed(attempt: Attempt) -> Attempt:
    decision = attempt.decision
    assessments = tuple(
        Assessment(
            candidate_id=f"{NAME}{place}",
            probability=each.probability,
            score=each.score,
            contributions={f"{NAME} {name}": value for name, value in each.contributions.items()},
            mask_reason=None if each.mask_reason is None else HOSTILE,
        )
        for place, each in enumerate(decision.assessments)
    )
    outcomes = tuple(
        replace(outcome, error_message=HOSTILE if outcome.error_code else None) for outcome in attempt.outcomes
    )
    changed = replace(decision, assessments=assessments, candidate_id=f"{NAME}0", policy=HOSTILE, step=HOSTILE)
    return Attempt(decision=changed, outcomes=outcomes, rewards=attempt.rewards)


@pytest.mark.parametrize("width", [80, 100, 140, 200])
async def test_lines_fit_the_terminal_and_are_harmless(make_service: MakeService, width: int) -> None:
    trace = await hostile_trace(make_service)
    lines = trace_lines(trace, width=width)
    lines += [line for attempt in trace.attempts for line in explain(attempt, width=width)]
    assert max(map(cell_len, lines)) <= width
    assert all(line.isprintable() for line in lines)
    assert any(r"\x1b[31mred\x9b2J\u202e" in line for line in lines)


@pytest.mark.parametrize("width", [1, 20, 36, 37])
async def test_a_terminal_that_is_too_narrow_still_gets_every_step(make_service: MakeService, width: int) -> None:
    trace = await hostile_trace(make_service)
    steps, cost = trace_lines(trace, width=width)[-len(trace.spans) :], trace_lines(trace, width=200)[-1].split()[-1]
    assert steps[-1].endswith(cost)


async def test_bars_stand_where_the_time_was_and_costs_are_summed(make_service: MakeService) -> None:
    service = await make_service()
    run = await service.run("What is the capital of France?", plan="vote")
    lines = trace_lines(await service.trace(run.run_id), width=120)
    [plan] = [line for line in lines if line.startswith("plan vote")]
    assert "▕" + "█" * 48 + "▏" in plan
    bars = [line[line.index("▕") : line.rindex("▏") + 1] for line in lines if "▕" in line]
    assert {len(bar) for bar in bars} == {50}
    assert all("█" in bar for bar in bars)
    assert sum(line.startswith(("├─ vote", "└─ vote")) for line in lines) == len(run.decision_ids)


async def test_a_run_whose_texts_and_spans_are_gone_is_shown(make_service: MakeService) -> None:
    service = await make_service()
    run = await service.run("Hello")
    trace = replace(await service.trace(run.run_id), query_text=None, answer_text=None, spans=())
    lines = trace_lines(trace, width=80)
    assert "  query   (erased, or none)" in lines
    assert any(line.startswith("answer → ") for line in lines)
