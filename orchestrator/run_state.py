"""What is known of a run between its steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from agents.llm import FinishReason
from orchestrator.checkers import Checker
from orchestrator.errors import Failure
from orchestrator.found_skills import FoundSkills
from routing.forecasts import Weights
from storage.budget_records import Amount, BudgetLimits, Hold, OnExhausted, Shortfall
from storage.call_records import ModelReply
from storage.records import Decision, Outcome, Payload, Query


class RunState(TypedDict, total=False):
    """Records and plain values only: what each step returns is laid over it."""

    query: Query
    payload: Payload
    policy: str | None
    weights: Weights | None  # what a trained router is to weigh; None: the settings' ones
    pinned: str | None  # the one candidate the caller wants
    plan: str  # whose ask this is; `single` where it stands alone
    among: frozenset[str] | None  # the candidates a plan asks among; None: all
    wants_logprobs: bool
    token_logprobs: tuple[float, ...]
    top_logprobs: tuple[Mapping[str, float], ...]
    expected_quality: float | None  # of who answered, as it was expected
    checker: Checker | None
    limits: BudgetLimits  # of the run
    on_exhausted: OnExhausted
    timeout_seconds: float
    spent: Amount  # by all attempts
    is_degraded: bool  # the budget allowed less than was wanted
    shortfall: Shortfall | None  # of the latest attempt that asked for more
    attempt: int
    is_trial: bool  # the attempt tries an endpoint that was failing
    trials: int  # attempts that were trials: they do not count against the most attempts
    tried: tuple[str, ...]
    found: FoundSkills | None  # of the first attempt, for all of them; None: nobody wants any
    decision: Decision
    hold: Hold | None  # None: it did not fit, or there is nobody to run
    hold_id: str | None  # of what is yet to be settled
    answer: str
    finish_reason: FinishReason
    replies: tuple[ModelReply, ...]  # all of them, where more than a text was asked for
    is_final: bool  # words are out already: nobody else can take over
    outcome: Outcome
    failure: Failure  # of the latest attempt that had a candidate, else of the first
    execute_seconds: float
