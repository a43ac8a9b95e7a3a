"""The steps of a run: route, execute, record. Each takes the state and returns what changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from agents.base import Agent
from agents.errors import ModelUnavailable
from agents.llm import LLM
from orchestrator.budget import Meter, MeteredLLM
from orchestrator.budget_reserves import held_seconds, limited, reserved, to_reserve
from orchestrator.call_needs import must_pass
from orchestrator.caller import Caller, current_caller
from orchestrator.checkers import check
from orchestrator.conditions import LiveConditions
from orchestrator.errors import BudgetAsk, DeadlineExceeded, Failure
from orchestrator.exhaustion import chosen
from orchestrator.expectations import expected_quality
from orchestrator.fencing import current_fence
from orchestrator.found_skills import SkillFinder
from orchestrator.health import ModelHealth
from orchestrator.observing import Observed, ObservedLLM
from orchestrator.recorder import Entry, Recorder
from orchestrator.replies import answer_in, recorded, storable_reply
from orchestrator.request_context import note_decision
from orchestrator.rewards import Rewards
from orchestrator.run_state import RunState
from orchestrator.shown_skills import BoundMemory, Shown, marked, shown_to
from orchestrator.streaming import StreamedLLM, answer_sink
from orchestrator.texts import storable
from orchestrator.tracing import DECISION_ID, TracedLibrary, TracedLLM, Tracer
from orchestrator.trials import admitted, is_trial, resting, tell
from routing.base import Choice, Router
from routing.candidates import Candidacy, Limits, all_masked_reason, options
from routing.errors import NoCandidate
from routing.fallback import by_ranking
from skills.base import SkillLibrary
from storage.budget_records import Amount, BudgetLimits
from storage.errors import BudgetExceeded, ServiceError, StorageUnavailable
from storage.money import checked_amount
from storage.records import Candidate, Decision, Hold, Outcome, OutcomeStatus, Payload, TokenUsage
from storage.stores import Item, Stores

if TYPE_CHECKING:
    from skills.groups.base import SkillGroups

HOLD_GRACE_SECONDS = 60.0  # a hold outlives the run's time limit by this
LEAST_SECONDS = 1.0  # held for one whose p95 is not known; of limited seconds it gets its share
MESSAGE_CHARACTERS = 2000  # of an error's message that are kept


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """The parts that the steps work with."""

    candidates: Mapping[str, Candidate]  # by id
    router: Router
    agents: Mapping[str, Agent]
    llms: Mapping[str, LLM]  # by model
    skills: SkillLibrary
    stores: Stores
    recorder: Recorder
    tracer: Tracer
    rewards: Rewards
    health: ModelHealth
    absent_models: Mapping[str, str]  # model to why it cannot be asked at all
    finder: SkillFinder
    groups: Mapping[str, SkillGroups] = field(default_factory=dict)  # by candidate id, of those that name many skills
    conditions: LiveConditions = field(default_factory=LiveConditions)
    bounds: BoundMemory = field(default_factory=BoundMemory)

    async def route(self, state: RunState) -> RunState:
        """Decides; stores the decision, and with it holds the worst case, before anything runs."""
        self.recorder.require_room()
        query, attempt = state["query"], state["attempt"] + 1
        with self.tracer.span(query, "route", attempt=str(attempt)) as attributes:
            state = await self.with_found_skills(state)
            made = await chosen(self, state)
            while not admitted(self, query, made.choice):  # another query took the trial meanwhile
                made = await chosen(self, state)
            state, choice = made.state, made.choice
            decision = await self.decision(state, choice, attempt=attempt, before=made.before)
            attributes["router.decision.id"] = decision.id
            attributes["router.selected"] = decision.candidate_id or "nobody"
            if state.get("is_degraded"):
                attributes["budget.output_tokens"] = str(state["query"].generation.max_output_tokens)
            held = await self._held(state, [*([state["payload"]] if attempt == 1 else []), decision], decision)
            self.router.begun(state["query"], decision)
            note_decision(decision)
        tried = (*state["tried"], *([decision.candidate_id] if decision.candidate_id else ()))
        on_trial = is_trial(self, query, decision.candidate_id)
        return {
            **held,
            "is_trial": on_trial,
            "trials": state.get("trials", 0) + on_trial,
            "decision": decision,
            "attempt": attempt,
            "tried": tried,
            "found": state.get("found"),
            "query": state["query"],
            "limits": state["limits"],
            "is_degraded": state.get("is_degraded", False),
            "shortfall": state.get("shortfall"),
            "expected_quality": expected_quality(choice).get(decision.candidate_id or ""),
        }

    async def execute(self, state: RunState) -> RunState:
        """Runs the candidate under its hold; a bug is settled and recorded, then raised."""
        decision = state["decision"]
        if decision.candidate_id is None:
            error = await self._no_candidate(state)
            failure = state.get("failure") or Failure.of(error, decision.id)
            return {"outcome": _failed(decision, error, "refused"), "failure": failure, "hold_id": None}
        hold = state["hold"]
        if hold is None:
            return {"hold_id": None}
        candidate = self.candidates[decision.candidate_id]
        meter, started, sink = Meter(candidate.card, hold.amount), time.perf_counter(), answer_sink.get()
        if sink is not None:
            sink.begin(decision)
        changes: RunState = {"hold_id": hold.id, "answer": ""}
        observed = Observed() if state.get("wants_logprobs") else None
        try:
            with self.conditions.under_way(candidate):
                changes["answer"] = await self._answer(state, candidate, meter, observed)
            if observed is not None:
                changes["token_logprobs"], changes["top_logprobs"] = observed.token_logprobs, observed.top_logprobs
            outcome = Outcome(decision_id=decision.id, run_id=decision.run_id, status="succeeded")
            self.health.succeeded(candidate.model)
        except ServiceError as error:
            changes["failure"], outcome = Failure.of(error, decision.id), _failed(decision, error, "failed")
            tell(self, state, candidate, error)
        except BaseException as error:
            is_cancelled = isinstance(error, asyncio.CancelledError)
            outcome = _failed(decision, error, "cancelled" if is_cancelled else "failed")
            if not (is_cancelled and _caller().has_left):
                await self._close(state, hold, _spent(outcome, meter, started))
                raise
        return {
            **changes,
            "outcome": _spent(outcome, meter, started),
            "finish_reason": meter.finish_reason,
            "replies": tuple(map(storable_reply, meter.replies)),
            "is_final": sink is not None and sink.has_written,
            "execute_seconds": state["execute_seconds"] + time.perf_counter() - started,
        }

    async def record(self, state: RunState) -> RunState:
        """Settles the hold, stores outcome, reward and spans in one write, and teaches the policies after it."""
        decision, outcome, items = state["decision"], state["outcome"], list[Item]()
        if outcome.status == "succeeded":
            payload = Payload.of(recorded(state["answer"], state.get("replies", ())))
            outcome = replace(outcome, payload_id=payload.id, payload_digest=payload.digest)
            checker = state.get("checker")
            if checker is not None:
                outcome = replace(outcome, quality=check(checker, state["answer"]), judged_by="verifier")
            items.append(payload)
        spent = self._actual(decision, outcome)
        reward = self.rewards.reward_for(outcome, cost_usd=outcome.cost_usd, joules=spent.joules)
        items += [outcome, *([reward] if reward else ()), *self.tracer.collect(state["query"])]
        if state.get("hold_id") is not None:
            self.router.ended(decision, outcome)
        try:
            await self.recorder.record(
                Entry(
                    hold_id=state.get("hold_id"),
                    spent=spent,
                    items=tuple(items),
                    decision=decision,
                    reward=reward,
                )
            )
        except StorageUnavailable as error:
            error.decision_id = decision.id
            raise
        return {"outcome": outcome, "spent": state["spent"] + spent, "hold_id": None}

    async def _held(self, state: RunState, items: Sequence[Item], decision: Decision) -> RunState:
        """Writes the items and holds what the decision reserves; where that does not fit, the outcome says so."""
        if decision.candidate_id is None:
            await self.stores.journal.write(*items, fence=current_fence.get())
            return {"hold": None}
        seconds = state["timeout_seconds"] + HOLD_GRACE_SECONDS
        try:
            hold = await self.stores.budgets.hold(
                decision.account_id,
                reserved(decision),
                expires_in_seconds=seconds,
                fence=current_fence.get(),
                items=items,
            )
        except BudgetExceeded as error:  # others were quicker
            failure = Failure.of(error, decision.id)
            return {"hold": None, "outcome": _failed(decision, error, "refused"), "failure": failure}
        return {"hold": hold}

    def _actual(self, decision: Decision, outcome: Outcome) -> Amount:
        """What the execution took; of seconds that are limited never more than were held, when it was cut short."""
        candidate = self.candidates.get(decision.candidate_id or "")
        seconds, most = outcome.latency_seconds, held_seconds(decision)
        actual = Amount(
            usd=outcome.cost_usd,
            tokens=outcome.usage.total,
            seconds=seconds if most is None else min(seconds, most),
            joules=0.0 if candidate is None else candidate.card.joules(outcome.usage),
        )
        return checked_amount(actual, "actual")

    async def _close(self, state: RunState, hold: Hold, outcome: Outcome) -> None:
        """Records what an unforeseen end leaves behind; the error that brought it about is the one to be raised."""
        closing: RunState = {**state, "hold_id": hold.id, "outcome": outcome}
        with suppress(StorageUnavailable):  # then the recorder keeps it
            await asyncio.shield(self.record(closing))

    async def choose(self, state: RunState) -> tuple[Choice, BudgetLimits]:
        """The router's choice and what was there for it; nothing is stored or held."""
        remaining = await self.remaining(state)
        offered = options(await self.candidacies(state), self.limits(state, remaining))
        choice = await self.router.route(state["query"], offered, policy=state["policy"], weights=state.get("weights"))
        before = state.get("decision")
        return choice if before is None else by_ranking(choice, before), remaining

    async def remaining(self, state: RunState) -> BudgetLimits:
        """What the run may still spend: its own limits, its account and the account's ancestors together."""
        left = state["limits"].less(state["spent"])
        for account in await self.stores.budgets.line(state["query"].account_id):
            left = left.lower(account.remaining)
        return left

    def limits(self, state: RunState, remaining: BudgetLimits) -> Limits:
        pinned = state["pinned"]
        among = state.get("among")
        return Limits(
            remaining=remaining,
            required_capabilities=state["query"].required_capabilities,
            must_pass_calls=must_pass(state["query"]),
            model_to_failure={**resting(self, state), **self.absent_models},
            tried=frozenset(state["tried"]),
            only=among if pinned is None else frozenset({pinned}),
        )

    async def with_found_skills(self, state: RunState) -> RunState:
        """The state with the skills that were found for its query: looked for once, if somebody wants any."""
        query, pinned = state["query"], state["pinned"]
        wanting = [c for c in self.candidates.values() if c.found_skills and pinned in (None, c.id)]
        if not wanting or state.get("found") is not None:
            return state
        with self.tracer.span(query, "skills") as attributes:
            most = max(candidate.found_skills + len(candidate.skills) for candidate in wanting)
            found = await self.finder.find(query.text, most=most)
            attributes.update(found.attributes())
        return {**state, "found": found}

    async def _shown(self, state: RunState, candidate: Candidate) -> Shown:
        agent, live, found = self.agents[candidate.agent], self.finder.live, state.get("found")
        return await shown_to(
            candidate, state["query"], agent, library=self.skills, found=found, live=live,
            groups=self.groups.get(candidate.id), bounds=self.bounds,
        )  # fmt: skip

    async def candidacies(self, state: RunState) -> list[Candidacy]:
        return [await self.candidacy(state, candidate) for candidate in self.candidates.values()]

    async def candidacy(self, state: RunState, candidate: Candidate) -> Candidacy:
        """With the worst case of each resource: of seconds the card's p95, else what an answer takes at least."""
        bound, card = (await self._shown(state, candidate)).bound, candidate.card
        usage, left = TokenUsage(input=bound.input, output=bound.output), max(seconds_left(state), 0.0)
        worst_case = Amount(
            usd=card.cost_usd(usage),
            tokens=usage.total,
            seconds=min(LEAST_SECONDS if card.seconds_p95 is None else card.seconds_p95, left),
            joules=card.joules(usage),
        )
        return Candidacy(
            candidate=candidate,
            worst_case=checked_amount(worst_case, "worst_case"),
            longest_call_tokens=bound.longest_call,
            condition=self.conditions.of(candidate),
            passes_calls=self.agents[candidate.agent].passes_calls,
        )

    async def _no_candidate(self, state: RunState) -> ServiceError:
        """The budget was the hurdle when, without limits, somebody could have answered."""
        if shortfall := state.get("shortfall"):
            return BudgetAsk.of(shortfall)
        candidacies, assessments = await self.candidacies(state), state["decision"].assessments
        reason = all_masked_reason([(each.candidate_id, each.mask_reason) for each in assessments])
        limits = self.limits(state, BudgetLimits())
        if any(option.mask_reason is None for option in options(candidacies, limits)):
            return BudgetExceeded(reason)
        healthy = replace(limits, model_to_failure=self.absent_models)
        if any(option.mask_reason is None for option in options(candidacies, healthy)):  # they rest, or are on trial
            return ModelUnavailable(reason, retry_after_seconds=self.health.seconds_to_trial() or LEAST_SECONDS)
        return NoCandidate(reason)

    async def _answer(self, state: RunState, candidate: Candidate, meter: Meter, observed: Observed | None) -> str:
        query, sink = state["query"], answer_sink.get()
        llm: LLM = TracedLLM(MeteredLLM(self.llms[candidate.model], meter), self.tracer, query, candidate.model)
        if observed is not None:
            llm = ObservedLLM(llm, observed)
        shown = await self._shown(state, candidate)
        library = TracedLibrary(shown.library, self.tracer, query, name_to_id=shown.name_to_id)
        about = {"candidate": candidate.id, DECISION_ID: state["decision"].id}
        with self.tracer.span(query, "execute", **about) as attributes, _caller().answering():
            seconds, most = self._seconds_for(state), held_seconds(state["decision"])
            try:
                async with asyncio.timeout(seconds if most is None else min(seconds, most)):
                    answer = await self.agents[candidate.agent].run(
                        query, llm=StreamedLLM(llm, sink) if sink else llm, skills=library
                    )
            except TimeoutError as exc:
                within = seconds if most is None else min(seconds, most)
                raise DeadlineExceeded(
                    f"No answer within {round(within, 3):g} s.", hint="Allow more time, or a quicker candidate."
                ) from exc
            finally:
                attributes["cost_usd"] = f"{meter.spent_usd:f}"
        return answer_in(answer, meter, candidate_id=candidate.id)

    def _seconds_for(self, state: RunState) -> float:
        """All that are left; half of them for a trial that may fail while somebody else could still answer."""
        is_shared = state.get("is_trial", False) and untried(state, list(self.candidates))
        return seconds_left(state) / 2 if is_shared else seconds_left(state)

    async def decision(self, state: RunState, choice: Choice, *, attempt: int, before: BudgetLimits) -> Decision:
        query, payload, found = state["query"], state["payload"], state.get("found")
        picked = self.candidates[choice.candidate_id] if choice.candidate_id else None
        shown = await self._shown(state, picked) if picked and found else None
        worst_case = (await self.candidacy(state, picked)).worst_case if picked else Amount()
        return Decision(
            query_id=query.id,
            run_id=query.run_id,
            step=query.step,
            attempt=attempt,
            tenant=query.tenant,
            principal=query.principal,
            account_id=query.account_id,
            payload_id=payload.id,
            payload_digest=payload.digest,
            task=choice.context.task,
            task_mixture=choice.context.task_mixture,
            context=tuple(map(float, choice.context.vector)),
            encoder=choice.context.encoder,
            assessments=choice.assessments,
            candidate_id=choice.candidate_id,
            propensity=choice.propensity,
            policy=choice.policy,
            policy_version=choice.policy_version,
            policy_sha256=choice.policy_sha256,
            rng_seed=choice.rng_seed,
            rng_counter=choice.rng_counter,
            budget_before_usd=before.usd or Decimal(0),
            budget_reserved_usd=worst_case.usd,
            resources_before=limited(before),
            resources_reserved=to_reserve(worst_case, before, seconds_left=seconds_left(state)) if picked else {},
            weights=dict(vars(choice.weights)) if choice.weights else {},
            shadow=choice.shadow,
            skills=marked(found.selection, shown) if found else None,
            plan=state.get("plan", "single"),
        )


def _failed(decision: Decision, error: BaseException, status: OutcomeStatus) -> Outcome:
    """A failure is the environment's verdict on the candidate; a refusal or a cancel says nothing of it."""
    is_verdict = status == "failed"
    return Outcome(
        decision_id=decision.id,
        run_id=decision.run_id,
        status=status,
        quality=0.0 if is_verdict else None,
        judged_by="environment" if is_verdict else None,
        error_code=Failure.of(error, decision.id).code,
        error_message=storable(str(error))[:MESSAGE_CHARACTERS],
    )


def _caller() -> Caller:
    """The one who waits for this run; somebody who never leaves, where nobody said who it is."""
    return current_caller.get() or Caller()


def _spent(outcome: Outcome, meter: Meter, started: float) -> Outcome:
    return replace(outcome, usage=meter.usage, cost_usd=meter.spent_usd, latency_seconds=time.perf_counter() - started)


def seconds_left(state: RunState) -> float:
    """Of the run's time, which all its attempts share."""
    return state["timeout_seconds"] - state["execute_seconds"]


def untried(state: RunState, candidates: Sequence[str]) -> bool:
    """Whether somebody is left who could still take over."""
    return state["pinned"] is None and not state.get("is_final") and set(candidates) > set(state["tried"])
