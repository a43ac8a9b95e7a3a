"""What a run gives back: who answers a streamed one, and the answer with what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from agents.llm import FinishReason
from orchestrator.verifiers.base import Verdict
from storage.call_records import ModelReply, ReplyPiece
from storage.records import Amount, TokenUsage


@dataclass(frozen=True, kw_only=True)
class Run:
    """An answer, who gave it, what it cost, and where its trace is."""

    run_id: str
    answer: str
    candidate_id: str
    decision_id: str
    cost_usd: Decimal  # of all attempts
    quality: float | None  # None: nobody has judged it yet
    attempts: int
    latency_seconds: float
    overhead_seconds: float  # ours: all but the candidates' own time
    usage: TokenUsage  # of the attempt that answered
    finish_reason: FinishReason = "stop"
    replies: tuple[ModelReply, ...] = ()  # all of them, where more than a text was asked for
    plan: str = "single"
    verdict: Verdict | None = None  # of the verifier that the caller gave
    is_degraded: bool = False  # the budget did not allow all that was wanted
    spent: Amount = Amount()  # of each resource, by all attempts
    decision_ids: tuple[str, ...] = ()  # of all answers that went into it, where a plan asked more than once


@dataclass(frozen=True, kw_only=True)
class Started:
    """Who answers a streamed run; comes before its first word."""

    run_id: str
    decision_id: str
    candidate_id: str
    reserved_usd: Decimal
    overhead_seconds: float  # until the candidate was asked


Streamed = Started | str | ReplyPiece | Run  # pieces of replies where more than a text was asked for
