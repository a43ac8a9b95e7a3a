"""What the demo says at its end of where to look."""

from __future__ import annotations

from decimal import Decimal

import pytest

from orchestrator.demo.contest import Answered, Standing
from orchestrator.demo.looking import addresses, last_decision, look
from orchestrator.demo.questions import make_questions
from orchestrator.demo.result import DemoPlan, DemoResult
from tests.conftest import scripted_settings


def answered(decision_id: str) -> Answered:
    return Answered(
        question=make_questions(60, seed=0)[0],
        contender="learned",
        candidate_id="small",
        decision_id=decision_id,
        run_id="run_1",
        answer="4",
        quality=1.0,
        cost_usd=Decimal(0),
        seconds=0.1,
        utility=1.0,
    )


def result(standings: tuple[Standing, ...], explored: tuple[Answered, ...] = ()) -> DemoResult:
    return DemoResult(
        plan=DemoPlan(),
        store_url="sqlite:///demo.db",
        candidates=("small",),
        notices=(),
        explored=explored,
        standings=standings,
        seconds=1.0,
        cost_weight=0.1,
    )


def test_the_last_decision_is_the_learners_own() -> None:
    learner = Standing(name="learned", answered=[answered("decision_1"), answered("decision_2")])
    other = Standing(name="always cheapest", answered=[answered("decision_3")])
    assert last_decision(result((learner, other), (answered("decision_0"),))) == "decision_2"
    assert last_decision(result((), (answered("decision_0"),))) == "decision_0"
    assert last_decision(result(())) is None


def test_why_the_last_one_was_chosen_is_one_address_away() -> None:
    lines = addresses("http://127.0.0.1:8000", "decision_2")
    assert any(line.endswith("http://127.0.0.1:8000/console/decisions") for line in lines)
    assert any(line.endswith("http://127.0.0.1:8000/console/decisions/decision_2") for line in lines)


async def test_without_a_terminal_the_command_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    await look(result(()), scripted_settings())
    assert "antroute console --store sqlite:///demo.db" in capsys.readouterr().out
