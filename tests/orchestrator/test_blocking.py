"""The same verbs without async."""

from __future__ import annotations

import threading

import pytest

from agents.llm import ScriptedLLM
from orchestrator.blocking import Blocking
from orchestrator.sdk import Orchestrator
from orchestrator.service import Run, Started
from routing.errors import UnknownPolicy
from storage.errors import BudgetExceeded
from tests.conftest import answers, scripted_settings

QUESTION = "What is the capital of France?"


def blocking(**changes: object) -> Blocking:
    llms = {name: ScriptedLLM(reply=answers) for name in ("small", "large")}
    return Blocking(Orchestrator(scripted_settings(**changes), llms=llms))


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name == "antroute-blocking"}


def test_verbs_wait_for_their_answers() -> None:
    with blocking() as antroute:
        run = antroute.run(QUESTION)
        assert run.answer == "Paris"
        assert antroute.route(QUESTION).candidate_id in {"small", "large"}
        assert antroute.feedback(run.decision_id, quality=1.0).quality == 1.0
        assert antroute.trace(run.run_id).answer_text == "Paris"
        with pytest.raises(BudgetExceeded):
            antroute.run(QUESTION, budget_usd=0)
    assert threads() == set()


def test_stream_is_a_plain_loop() -> None:
    with blocking() as antroute:
        started, *words, run = antroute.stream(QUESTION)
        assert isinstance(started, Started)
        assert isinstance(run, Run)
        assert words == ["Paris"]
        for _ in antroute.stream(QUESTION):
            break  # leaving early closes it


def test_failed_opening_leaves_no_thread_behind() -> None:
    with pytest.raises(UnknownPolicy), blocking(policy="magic"):
        pytest.fail("it must not open")
    assert threads() == set()


def test_error_in_the_block_closes_it() -> None:
    with pytest.raises(KeyError), blocking() as antroute:
        antroute.run(QUESTION)
        raise KeyError("mine")
    assert threads() == set()
