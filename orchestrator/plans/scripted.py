"""A plan's work without a service: candidates are functions, money is counted. The double for tests and simulations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from agents.errors import AgentError
from orchestrator.plans.base import Answer, Ask, Standing
from orchestrator.verifiers.base import NEVER_ERRS, ErrorRates, Verdict
from routing.errors import NoCandidate
from storage.errors import BudgetExceeded
from storage.records import Query, TokenUsage


@dataclass(frozen=True, kw_only=True)
class ScriptedCandidate:
    """Answers by a function of the ask; `reply` may raise AgentError."""

    reply: Callable[[Ask], str]
    price_usd: Decimal = Decimal("0.001")  # of each call
    expected_quality: float | None = None
    probability: float = 0.0
    token_logprobs: tuple[float, ...] = ()
    top_logprobs: tuple[Mapping[str, float], ...] = ()
    agent: str = "single_turn"
    context_window: int = 8192


@dataclass(kw_only=True)
class ScriptedWork:
    """`judge`: text to quality; None: no verifier was given."""

    name_to_candidate: Mapping[str, ScriptedCandidate]
    query: Query = field(default_factory=lambda: Query(text="question"))
    budget_usd: Decimal = Decimal(1)
    judge: Callable[[str], float] | None = None
    evidence: str = ""  # what the judge says of each text
    rates: ErrorRates = NEVER_ERRS
    asks: list[Ask] = field(default_factory=list)
    verdicts: list[tuple[str, Verdict]] = field(default_factory=list)  # decision id and what was recorded of it
    notes: dict[str, str] = field(default_factory=dict)
    spent_usd: Decimal = Decimal(0)

    @property
    def vector(self) -> None:
        """Nothing is encoded."""
        return None

    async def ask(self, ask: Ask) -> Answer:
        name = self._chosen(ask)
        candidate = self.name_to_candidate[name]
        if self.spent_usd + candidate.price_usd > self.budget_usd:
            raise BudgetExceeded(f"{name!r} costs ${candidate.price_usd}; ${self.budget_usd - self.spent_usd} is left.")
        self.spent_usd += candidate.price_usd
        self.asks.append(replace(ask, candidate=name))
        text = candidate.reply(ask)
        if not text.strip():
            raise AgentError(f"{name!r} gave an empty answer.")
        return Answer(
            text=text,
            candidate_id=name,
            decision_id=f"decision-{len(self.asks)}",
            step=ask.step,
            cost_usd=candidate.price_usd,
            usage=TokenUsage(input=10, output=10),
            seconds=0.01,
            expected_quality=candidate.expected_quality,
            token_logprobs=candidate.token_logprobs if ask.wants_logprobs else (),
            top_logprobs=candidate.top_logprobs if ask.wants_logprobs else (),
        )

    async def verify(self, answer: Answer) -> Answer:
        verdict = await self.verify_text(answer.text)
        if verdict is None or answer.verdict is not None:
            return answer
        await self.credit(answer, verdict)
        return replace(answer, verdict=verdict)

    async def verify_text(self, text: str) -> Verdict | None:
        if self.judge is None:
            return None
        quality = self.judge(text)
        return Verdict(
            quality=quality,
            judged_by="verifier",
            verifier="scripted",
            passed=quality >= 0.5,
            evidence=self.evidence,
        )

    async def credit(self, answer: Answer, verdict: Verdict) -> None:
        self.verdicts.append((answer.decision_id, verdict))

    def error_rates(self, verifier: str) -> ErrorRates:
        return self.rates

    async def standings(self, *, step: str, text: str | None = None) -> list[Standing]:
        left = self.budget_usd - self.spent_usd
        standings = [
            Standing(
                candidate_id=name,
                probability=each.probability,
                score=each.expected_quality or 0.0,
                worst_case_usd=each.price_usd,
                price_usd=each.price_usd,
                agent=each.agent,
                model=name,
                context_window=each.context_window,
                expected_quality=each.expected_quality,
                mask_reason=None if each.price_usd <= left else f"could cost ${each.price_usd}; ${left} is left",
            )
            for name, each in self.name_to_candidate.items()
        ]
        return sorted(standings, key=lambda each: (-each.probability, -each.score, each.candidate_id))

    async def remaining_usd(self) -> Decimal:
        return self.budget_usd - self.spent_usd

    def seconds_left(self) -> float:
        return 60.0

    def note(self, **attributes: str) -> None:
        self.notes.update(attributes)

    def _chosen(self, ask: Ask) -> str:
        """The one that is named, else the likeliest of those that may be asked and can be paid for."""
        names = [
            name
            for name in sorted(self.name_to_candidate, key=lambda each: -self.name_to_candidate[each].probability)
            if ask.candidate in (None, name) and (ask.among is None or name in ask.among) and name not in ask.tried
        ]
        if not names:
            raise NoCandidate(f"Nobody may be asked for {ask.step!r}.")
        left = self.budget_usd - self.spent_usd
        return next((name for name in names if self.name_to_candidate[name].price_usd <= left), names[0])
