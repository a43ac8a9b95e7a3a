"""A verifier: query and answer to a verdict. Who judges is part of it; a candidate's own confidence is none."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Protocol

from storage.records import Judge, Query


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a verifier says of one answer."""

    quality: float  # in [0, 1]
    judged_by: Judge
    verifier: str  # its name
    passed: bool
    evidence: str = ""  # in words, short: the failing test, the wrong field
    cost_usd: Decimal = Decimal(0)
    judge_id: str | None = None  # the candidate that judged; None: no candidate did

    def on_answer_of(self, candidate_id: str) -> Verdict:
        """The verdict, said to be its own judge's where a candidate judged what it wrote itself."""
        return replace(self, judged_by="self") if self.judge_id == candidate_id else self


@dataclass(frozen=True, kw_only=True)
class ErrorRates:
    """How often a verifier errs, as estimated from answers whose truth became known; counts include the prior's."""

    false_accept: float  # P(passes | wrong)
    false_reject: float  # P(fails | right)
    judged: int  # answers with known truth that stand behind it; 0: the prior alone

    def chance_right(self, passed: bool, prior: float) -> float:
        """P(right | verdict) by Bayes' rule, `prior` being P(right) before it."""
        right = (1 - self.false_reject) if passed else self.false_reject
        wrong = self.false_accept if passed else (1 - self.false_accept)
        total = right * prior + wrong * (1 - prior)
        return prior if total <= 0 else right * prior / total


NEVER_ERRS = ErrorRates(false_accept=0.0, false_reject=0.0, judged=0)


class Verifier(Protocol):
    """Never raises for any answer: what cannot be judged gets None."""

    name: str

    async def verify(self, query: Query, answer: str) -> Verdict | None:
        """None: it cannot say (a broken judge, a person who did not reply in time)."""
        ...


@dataclass(frozen=True, kw_only=True)
class VerifierSpec:
    """A verifier by name, as settings and callers give it."""

    kind: str  # a key of the registry
    options: dict[str, object] = field(default_factory=dict)
