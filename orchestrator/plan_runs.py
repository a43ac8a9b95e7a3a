"""Runs a plan: each of its asks is a decision of its own, in one run, on one budget account, under one clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from orchestrator.checkers import Checker, check
from orchestrator.errors import BudgetAsk, DeadlineExceeded
from orchestrator.exhaustion import chosen
from orchestrator.expectations import expected_quality
from orchestrator.fencing import current_fence
from orchestrator.plans.base import Answer, Ask, Plan, PlanResult, Standing
from orchestrator.rewards import USUAL_CALL
from orchestrator.run_options import RunOptions
from orchestrator.streaming import answer_sink
from orchestrator.verifiers.base import ErrorRates, Verdict, Verifier
from orchestrator.verifiers.model import JudgeReply
from orchestrator.verifiers.named import Asks
from storage.budget_records import BudgetAccount, BudgetLimits
from storage.errors import InvalidInput
from storage.provenance import is_verified
from storage.records import Query, new_id
from storage.stores import Stores

if TYPE_CHECKING:
    from orchestrator.nodes import Nodes
    from orchestrator.run_state import RunState
    from orchestrator.verdicts import Verdicts
    from orchestrator.verifiers.named import NamedVerifiers

ENDING_SECONDS = 0.5  # after its time a plan may ask nobody, but end with what it has
OF_THE_RUN = (
    "identity",
    "policy",
    "weights",
    "requires",
    "metadata",
    "session",
    "is_tool_turn",
    "timeout_seconds",
    "on_exhausted",
)  # options that each ask keeps
BESIDE_TEXTS = ("asked", "later", "call")


class CheckerVerifier:
    """What the caller knows to be right."""

    name = "checker"

    def __init__(self, checker: Checker) -> None:
        self.checker = checker

    async def verify(self, query: Query, answer: str) -> Verdict:
        quality = check(self.checker, answer)
        return Verdict(quality=quality, judged_by="verifier", verifier=self.name, passed=quality >= 0.5)


class PlanHost(Protocol):
    """What of the service a plan's run needs."""

    nodes: Nodes
    verdicts: Verdicts
    verifiers: NamedVerifiers

    @property
    def stores(self) -> Stores: ...

    def start(self, text: str, options: RunOptions) -> RunState: ...

    async def carried_out(self, state: RunState) -> RunState: ...


@dataclass(kw_only=True)
class ServiceWork:
    """A plan's work over the service."""

    service: PlanHost
    query: Query
    options: RunOptions
    plan: str
    verifier: Verifier | None
    timeout_seconds: float
    started: float = field(default_factory=time.perf_counter)
    notes: dict[str, str] = field(default_factory=dict)
    states: list[RunState] = field(default_factory=list)  # of all asks that ended well
    vector: NDArray[np.float32] | None = None  # the query's, once standings were asked for
    author: str | None = None  # of the answer that is being verified
    unjudged: set[str] = field(default_factory=set)  # decisions on whose answers the verifier had nothing to say

    async def ask(self, ask: Ask) -> Answer:
        if self.seconds_left() <= 0:
            raise DeadlineExceeded(f"Nobody is asked for {ask.step!r}: the plan's time is over.")
        state = self._state(ask)
        token = None if ask.is_answer else answer_sink.set(None)
        began = time.perf_counter()
        try:
            final = await self.service.carried_out(state)
        finally:
            if token is not None:
                answer_sink.reset(token)
        decision, outcome = final["decision"], final["outcome"]
        if outcome.status == "cancelled":  # the service is closing
            raise asyncio.CancelledError
        if outcome.status != "succeeded":
            raise final["failure"].error()
        self.states.append(final)
        return Answer(
            text=final["answer"],
            candidate_id=decision.candidate_id or "",
            decision_id=decision.id,
            step=ask.step,
            cost_usd=final["spent"].usd,
            usage=outcome.usage,
            seconds=time.perf_counter() - began,
            propensity=decision.propensity,
            expected_quality=final.get("expected_quality"),
            finish_reason=final["finish_reason"],
            token_logprobs=final.get("token_logprobs", ()),
            top_logprobs=final.get("top_logprobs", ()),
        )

    async def verify(self, answer: Answer) -> Answer:
        """Each answer is judged once: a judge that could not say is not asked, and paid, again."""
        if self.verifier is None or answer.verdict is not None or answer.decision_id in self.unjudged:
            return answer
        self.author = answer.candidate_id
        found = await self.verifier.verify(self.query, answer.text)
        self.author = None
        verdict = None if found is None else found.on_answer_of(answer.candidate_id)
        if verdict is not None:
            await self.credit(answer, verdict)
        if verdict is None or not is_verified(verdict.judged_by):  # kept in the log, and no plan gets to weigh it
            self.unjudged.add(answer.decision_id)
            return answer
        return replace(answer, verdict=verdict)

    async def verify_text(self, text: str) -> Verdict | None:
        return None if self.verifier is None else await self.verifier.verify(self.query, text)

    async def credit(self, answer: Answer, verdict: Verdict) -> None:
        """An outcome of the answer's decision, from which all policies learn."""
        await self.service.verdicts.record(
            answer.decision_id,
            quality=verdict.quality,
            judged_by=verdict.judged_by,
            verdict=verdict,
            idempotency_key=f"{verdict.verifier}/{answer.step}",
        )

    def error_rates(self, verifier: str) -> ErrorRates:
        return self.service.verdicts.rates.of(verifier)

    async def standings(self, *, step: str, text: str | None = None) -> list[Standing]:
        state = await self.service.nodes.with_found_skills(self._state(Ask(step=step, text=text)))
        try:
            made = await chosen(self.service.nodes, state)
        finally:
            self.service.nodes.tracer.collect(state["query"])
        choice = made.choice
        self.vector = choice.context.embedding if text is None else self.vector
        if shortfall := made.state.get("shortfall") if choice.candidate_id is None else None:
            raise BudgetAsk.of(shortfall)
        candidates, expected = self.service.nodes.candidates, expected_quality(choice)
        standings = [
            Standing(
                candidate_id=each.candidate_id,
                probability=each.probability,
                score=each.score,
                worst_case_usd=each.worst_case_usd,
                price_usd=candidates[each.candidate_id].card.cost_usd(USUAL_CALL),
                agent=candidates[each.candidate_id].agent,
                model=candidates[each.candidate_id].model,
                description=candidates[each.candidate_id].card.description,
                context_window=candidates[each.candidate_id].card.context_window,
                expected_quality=expected.get(each.candidate_id),
                mask_reason=each.mask_reason,
            )
            for each in choice.assessments
        ]
        return sorted(standings, key=lambda each: (-each.probability, -each.score, each.candidate_id))

    async def remaining_usd(self) -> Decimal:
        remaining = await self.service.nodes.remaining(self._state(Ask(step="remaining")))
        return remaining.usd or Decimal(0)

    def seconds_left(self) -> float:
        return self.timeout_seconds - (time.perf_counter() - self.started)

    def note(self, **attributes: str) -> None:
        self.notes.update({f"plan.{name}": value for name, value in attributes.items()})

    @property
    def cost_usd(self) -> Decimal:
        """Of all asks that ended well; what others cost stands in the account."""
        return sum((state["spent"].usd for state in self.states), Decimal(0))

    def _state(self, ask: Ask) -> RunState:
        options = RunOptions(**{name: self.options[name] for name in OF_THE_RUN if name in self.options})  # type: ignore[literal-required, typeddict-item]  # names of a TypedDict
        options.update(
            run_id=self.query.run_id,
            step=ask.step,
            account=self.query.account_id,
            candidate=ask.candidate,
            generation=ask.generation or self.query.generation,
            messages=self.query.context_messages if ask.messages is None else tuple(ask.messages),
            timeout_seconds=max(self.seconds_left(), 0.001),
        )
        if ask.text is None and ask.messages is None:  # what the caller's conversation holds beside texts
            options.update({name: self.options[name] for name in BESIDE_TEXTS if name in self.options})  # type: ignore[literal-required]  # names of a TypedDict
        state = self.service.start(self.query.text if ask.text is None else ask.text, options)
        wanted = self.options.get("candidate")
        if ask.among is None and ask.candidate is not None and wanted not in (None, ask.candidate):
            raise InvalidInput(
                f"Plan {self.plan!r} asks candidate {ask.candidate!r}, and the caller wants {wanted!r} alone.",
                field="model",
                hint="Leave the candidate to the plan, or name no other in the plan's options.",
            )
        return {
            **state,
            "limits": BudgetLimits(),  # the run's account has them, for all asks together
            "policy": state["policy"] or ask.policy,
            "plan": self.plan,
            "among": self._allowed() if ask.among is None else ask.among,
            "tried": tuple(sorted(ask.tried)),
            "wants_logprobs": ask.wants_logprobs,
        }

    def _allowed(self) -> frozenset[str] | None:
        pinned = self.options.get("candidate")
        return None if pinned is None else frozenset({pinned})

    async def judge(self, prompt: str, candidate_id: str | None) -> JudgeReply:
        """How a verifier reaches another candidate, also where the caller wants one alone to answer.

        Who wrote the answer is not asked: such a verdict would be paid and worth nothing.
        """
        among = frozenset(self.service.nodes.candidates) - {self.author}
        reply = await self.ask(Ask(step="judge", text=prompt, messages=(), candidate=candidate_id, among=among))
        return JudgeReply(text=reply.text, candidate_id=reply.candidate_id, cost_usd=reply.cost_usd)


async def run_plan(
    service: PlanHost, plan: Plan, *, name: str, text: str, options: RunOptions
) -> tuple[PlanResult, ServiceWork]:
    """The result, judged where somebody can judge. Raises what the plan raises, and DeadlineExceeded."""
    first = service.start(text, options)
    query, limits = first["query"], first["limits"]
    id = new_id(query.run_id) if options.get("run_id") else query.run_id  # a step's run has an account of its own
    account = BudgetAccount.of(id, limits, parent_id=query.account_id)
    await service.stores.budgets.open(account)
    work = ServiceWork(
        service=service,
        query=replace(query, account_id=account.id),
        options=options,
        plan=name,
        verifier=None,
        timeout_seconds=first["timeout_seconds"],
    )
    work.verifier = await _verifier(work)
    tracer = service.nodes.tracer
    try:
        with tracer.span(query, "plan", **{"plan.name": name}) as attributes:
            try:
                async with asyncio.timeout(first["timeout_seconds"] + ENDING_SECONDS):
                    result = await plan.run(work)
            finally:
                attributes.update(work.notes)
        return await _judged(work, result), work
    except (TimeoutError, DeadlineExceeded) as exc:
        if work.seconds_left() > 0:  # one ask was cut short, for want of budgeted seconds
            raise
        late = DeadlineExceeded(
            f"Plan {name!r} had no answer within {first['timeout_seconds']:g} s.",
            hint="Allow more time, or a simpler plan.",
        )
        late.decision_id = getattr(exc, "decision_id", None)
        raise late from exc
    finally:
        await service.stores.journal.write(*tracer.collect(query), fence=current_fence.get())


async def _verifier(work: ServiceWork) -> Verifier | None:
    """The one that the caller gave or named, else what the caller knows to be right. Raises InvalidInput."""
    given, checker = work.options.get("verifier"), work.options.get("checker")
    if isinstance(given, str | Mapping):
        return await work.service.verifiers.of_caller(
            given, Asks(judge=work.judge, person=work.options.get("ask_person"))
        )
    if given is None and checker is not None:
        return CheckerVerifier(checker)
    if given is not None and not hasattr(given, "verify"):
        raise InvalidInput(
            f"verifier is {given!r:.80}; give a Verifier, a name or its kind: it must judge.", field="verifier"
        )
    return given


async def _judged(work: ServiceWork, result: PlanResult) -> PlanResult:
    """With a verdict on what the caller gets, where the plan left that open."""
    if result.text is None or result.text == result.answer.text:
        return replace(result, answer=await work.verify(result.answer))
    verdict = await work.verify_text(result.text)
    return result if verdict is None else replace(result, answer=replace(result.answer, verdict=verdict))
