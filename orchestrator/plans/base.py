"""The interface of plans: what a plan may ask for, what it gets, and what it gives back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from agents.llm import FinishReason
from orchestrator.verifiers.base import ErrorRates, Verdict
from storage.records import Generation, Message, Query, TokenUsage


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One call for an answer: routed, held, executed, settled and recorded as a decision of its own."""

    step: str  # of the work: `solve`, `verify`, `vote/2`; the memory learns by it
    text: str | None = None  # None: the query's own
    messages: Sequence[Message] | None = None  # the turns before the text; None: the query's own
    candidate: str | None = None  # this one and no other
    among: frozenset[str] | None = None  # these and no others; None: all
    tried: frozenset[str] = frozenset()  # these not
    generation: Generation | None = None  # None: the query's own
    policy: str | None = None  # who chooses; None: the run's
    wants_logprobs: bool = False
    is_answer: bool = False  # its text is what the caller will get, so that it may be streamed


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of an Ask."""

    text: str
    candidate_id: str
    decision_id: str
    step: str
    cost_usd: Decimal  # of all attempts
    usage: TokenUsage
    seconds: float
    propensity: float = 1.0
    expected_quality: float | None = None  # the router's forecast for who answered; None: it has none
    finish_reason: FinishReason = "stop"
    token_logprobs: tuple[float, ...] = ()  # natural log, one a token; empty where the endpoint gives none
    top_logprobs: tuple[Mapping[str, float], ...] = ()  # for each token the likeliest and their logs
    verdict: Verdict | None = None  # of the settled verification, where there was one

    @property
    def mean_token_probability(self) -> float | None:
        """exp of the mean log-probability; None where the endpoint gives none."""
        from math import exp, fsum

        return exp(fsum(self.token_logprobs) / len(self.token_logprobs)) if self.token_logprobs else None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the router thinks of one candidate for the query, without asking it."""

    candidate_id: str
    probability: float
    score: float
    worst_case_usd: Decimal
    price_usd: Decimal  # of a usual call, by its card
    agent: str = ""
    model: str = ""
    description: str = ""  # of the model, by its card
    context_window: int = 8192  # tokens
    expected_quality: float | None = None  # in [0, 1]; None: nothing was learned
    mask_reason: str | None = None  # None: it may be asked


class Work(Protocol):
    """What a plan works with. Every method keeps the budget; a plan that is refused money gets BudgetExceeded."""

    @property
    def query(self) -> Query: ...

    @property
    def vector(self) -> NDArray[np.float32] | None:
        """The query's, by the router's encoder, once `standings` was asked; None: not known."""
        ...

    async def ask(self, ask: Ask) -> Answer:
        """Safe to call side by side. Raises BudgetExceeded, NoCandidate, DeadlineExceeded, AgentError."""
        ...

    async def verify(self, answer: Answer) -> Answer:
        """The answer with its verdict, which is recorded and learned; without one where no verifier was given."""
        ...

    async def verify_text(self, text: str) -> Verdict | None:
        """The verdict on a text that no single candidate wrote; nothing is recorded. None: no verifier was given."""
        ...

    async def credit(self, answer: Answer, verdict: Verdict) -> None:
        """Records a verdict on what came of it for an answer that led there: a stage of a path, a part of a merge."""
        ...

    def error_rates(self, verifier: str) -> ErrorRates:
        """Of a verifier, as estimated so far."""
        ...

    async def standings(self, *, step: str, text: str | None = None) -> list[Standing]:
        """All candidates, the likeliest first; nothing runs and nothing is stored."""
        ...

    async def remaining_usd(self) -> Decimal: ...

    def seconds_left(self) -> float: ...

    def note(self, **attributes: str) -> None:
        """Facts for the plan's span in the trace: `sigma=0.5`, `escalated=true`."""
        ...


@dataclass(frozen=True, kw_only=True)
class PlanResult:
    """What the caller gets."""

    answer: Answer  # whose decision stands for the run; feedback goes to it
    text: str | None = None  # where it is not the answer's own: merged, or cut out of it
    asked: tuple[Answer, ...] = ()  # all answers that went into it, for whoever looks
    is_degraded: bool = False  # the budget did not allow all that the plan wanted


class Plan(ABC):
    """Holds no state between runs but its constructor's options, all with defaults; bad ones raise InvalidInput there.

    A plan that runs out of budget after it has an answer gives it back with `is_degraded`; before, it lets
    BudgetExceeded pass.
    """

    operators: ClassVar[frozenset[str]] = frozenset()  # options that the settings alone may give: folders, say
    source: ClassVar[str]  # paper or system, or "-"
    summary: ClassVar[str]  # one line for people

    @abstractmethod
    async def run(self, work: Work) -> PlanResult: ...


@dataclass(frozen=True, kw_only=True)
class PlanSpec:
    """A plan by name, as settings and callers give it."""

    name: str = "single"
    options: Mapping[str, object] = field(default_factory=dict)
