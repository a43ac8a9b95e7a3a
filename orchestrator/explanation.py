"""Why a decision fell as it did, as plain values: what terminal and console both show. Computes nothing anew."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from storage.records import Decision, Outcome, Reward
from storage.skill_records import SkillSelection

# nobody: all masked; only: one was allowed; exploration: a lesser one was drawn; level: a tie; close, clear: by margin
Verdict = Literal["nobody", "only", "exploration", "level", "close", "clear"]


@dataclass(frozen=True, kw_only=True)
class Term:
    """One summand of a score."""

    name: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Considered:
    """What was thought of one candidate; `terms` sum to `score`, the largest in size first."""

    candidate_id: str
    is_chosen: bool
    probability: float
    score: float
    terms: tuple[Term, ...]
    worst_case_usd: Decimal
    mask_reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Flip:
    """One change that would have made another candidate the best."""

    candidate_id: str
    gap: float  # of score that it lacked
    words: str  # in one sentence, with figures


@dataclass(frozen=True, kw_only=True)
class Money:
    """The account at the decision, in USD."""

    before_usd: Decimal
    held_usd: Decimal
    spent_usd: Decimal
    after_usd: Decimal


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """All that answers: why this one?"""

    decision: Decision
    verdict: Verdict
    headline: str  # one sentence
    allowed: tuple[Considered, ...]  # best score first
    masked: tuple[Considered, ...]
    margin: float | None  # negative: exploration; None: nobody or only one
    flips: tuple[Flip, ...]  # nearest first
    money: Money
    skills: SkillSelection | None
    outcomes: tuple[Outcome, ...]
    rewards: tuple[Reward, ...]
