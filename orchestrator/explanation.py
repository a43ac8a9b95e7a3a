"""Why a decision fell as it did, as plain values: what terminal and console both show. Asks no policy anew."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from orchestrator.explanation_flips import Flip as Flip
from orchestrator.explanation_flips import flips_of, short_name, terms_of
from orchestrator.reading import Attempt
from orchestrator.texts import printable
from routing.chances import TIE_TOLERANCE
from routing.forecasts import Reference
from storage.records import Assessment, Decision, Outcome, Reward
from storage.skill_records import SkillSelection
from storage.summary_records import CLOSE_MARGIN

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


def explanation_of(attempt: Attempt, *, reference: Reference | None = None) -> Explanation:
    """All of it from the stored decision and what came of it.

    `reference`: of the trained router that chose, where it is known; what a rival lacked is then also in dollars.
    """
    decision = attempt.decision
    allowed = sorted((a for a in decision.assessments if a.mask_reason is None), key=lambda a: -a.score)
    masked = sorted((a for a in decision.assessments if a.mask_reason is not None), key=lambda a: -a.score)
    gap = margin_of(decision)
    verdict = _verdict(decision, gap)
    return Explanation(
        decision=decision,
        verdict=verdict,
        headline=_headline(decision, verdict, gap),
        allowed=tuple(_considered(a, decision) for a in allowed),
        masked=tuple(_considered(a, decision) for a in masked),
        margin=gap,
        flips=flips_of(decision, reference=reference),
        money=_money(attempt),
        skills=decision.skills,
        outcomes=attempt.outcomes,
        rewards=attempt.rewards,
    )


def margin_of(decision: Decision) -> float | None:
    """How far the chosen one's score was above the best other's; negative where a lesser one was drawn."""
    allowed = [a for a in decision.assessments if a.mask_reason is None]
    chosen = [a.score for a in allowed if a.candidate_id == decision.candidate_id]
    others = [a.score for a in allowed if a.candidate_id != decision.candidate_id]
    return chosen[0] - max(others) if chosen and others else None


def _considered(assessment: Assessment, decision: Decision) -> Considered:
    terms = sorted(terms_of(assessment).items(), key=lambda term: -abs(term[1]))
    return Considered(
        candidate_id=assessment.candidate_id,
        is_chosen=assessment.candidate_id == decision.candidate_id,
        probability=assessment.probability,
        score=assessment.score,
        terms=tuple(Term(name=name, value=value) for name, value in terms),
        worst_case_usd=assessment.worst_case_usd,
        mask_reason=assessment.mask_reason,
    )


def _verdict(decision: Decision, gap: float | None) -> Verdict:
    if decision.candidate_id is None:
        return "nobody"
    if gap is None:
        return "only"
    if abs(gap) <= TIE_TOLERANCE:
        return "level"
    if gap < 0:
        return "exploration"
    return "close" if gap < CLOSE_MARGIN and not _has_prices_alone(decision) else "clear"


def _has_prices_alone(decision: Decision) -> bool:
    """Whether scores are dollars, which `CLOSE_MARGIN` says nothing of."""
    return all(set(a.contributions) <= {"price"} for a in decision.assessments)


def _headline(decision: Decision, verdict: Verdict, gap: float | None) -> str:
    if decision.candidate_id is None:
        return "Nobody was picked: every candidate is masked."
    picked = f"Picked {short_name(decision.candidate_id)} with probability {decision.propensity:.3f}"
    words = f"{picked}, by policy '{printable(decision.policy)}'"
    if verdict == "only" or gap is None:
        return f"{words}; it was the only one allowed."
    if verdict == "exploration":
        return f"{words}; its score is {_figure(-gap)} below the best: {_why_lesser(decision)}."
    if verdict == "level":
        return f"{words}; level with another, {_why_of_equals(decision)}."
    tail = "a close call" if verdict == "close" else f"a rival would need {_figure(gap)} more to win"
    return f"{words}; ahead by {_figure(gap)}: {tail}."


def _figure(amount: float) -> str:
    """Three decimals, or two digits of what would be nothing with three."""
    return f"{amount:.3f}" if amount >= 0.0005 else f"{amount:.2g}"


def _why_lesser(decision: Decision) -> str:
    if decision.propensity < max(a.probability for a in decision.assessments):
        return "this was exploration"
    return "after a failure the ranking before it counts" if decision.attempt > 1 else "yet nobody had a greater chance"


def _why_of_equals(decision: Decision) -> str:
    score = max(a.score for a in decision.assessments if a.mask_reason is None)
    equals = [a.probability for a in decision.assessments if a.mask_reason is None and score - a.score <= TIE_TOLERANCE]
    if max(equals) - min(equals) <= TIE_TOLERANCE:
        return "so chance decided"
    return "and preferred to it" if decision.propensity == max(equals) else "to which another was preferred"


def _money(attempt: Attempt) -> Money:
    decision, spent = attempt.decision, attempt.cost_usd
    return Money(
        before_usd=decision.budget_before_usd,
        held_usd=decision.budget_reserved_usd,
        spent_usd=spent,
        after_usd=decision.budget_before_usd - spent,
    )
