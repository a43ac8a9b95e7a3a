"""The use cases: run a query, say what would be done, take a verdict, show a run."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, Unpack

from agents.llm import piece_of
from orchestrator.audit_service import Audit
from orchestrator.budget_options import exhausted_of, limits_of
from orchestrator.call_needs import plan_of_call, require_able
from orchestrator.caller import Caller, current_caller
from orchestrator.embedding import EmbeddingService
from orchestrator.errors import UnknownModel
from orchestrator.exhaustion import chosen, more_budget
from orchestrator.found_skills import FoundSkills
from orchestrator.jobs.jobs import Jobs
from orchestrator.jobs.worker import JobWorker
from orchestrator.nodes import Nodes
from orchestrator.overload import stopping
from orchestrator.plan_runs import run_plan
from orchestrator.plans.base import PlanSpec
from orchestrator.plans.registry import SINGLE, Plans, make_plan
from orchestrator.reading import Attempt, Trace, attempt_of, trace_of
from orchestrator.replay.desk import ReplayDesk
from orchestrator.run import Run as Run
from orchestrator.run import Started as Started
from orchestrator.run import Streamed as Streamed
from orchestrator.run_options import Defaults, RunOptions, check_names, query_of, seconds_of
from orchestrator.run_state import RunState
from orchestrator.run_steps import RunSteps
from orchestrator.run_trace import RunTrace, current_trace
from orchestrator.skill_catalog import SkillCatalog
from orchestrator.streaming import AnswerSink, answer_sink
from orchestrator.trail_keeper import TrailKeeper
from orchestrator.trail_tables import TrailTable, tables_of
from orchestrator.trained_routers import TrainedRouters
from orchestrator.training_settings import TrainingSettings
from orchestrator.verdicts import Verdicts
from orchestrator.verifiers.named import NamedVerifiers
from orchestrator.webhooks.service import Webhooks
from orchestrator.weights import weights_of
from routing.candidates import options as choices
from storage.budget_records import BudgetLimits
from storage.call_records import ReplyPiece
from storage.errors import ServiceError
from storage.records import Amount, Decision, Judge, Outcome, Payload
from storage.stores import Stores

log = logging.getLogger("antroute.runs")


class RunListener(Protocol):
    """Hears how runs end: metrics, progress bars."""

    def answered(self, run: Run) -> None: ...

    def failed(self, code: str) -> None: ...


@dataclass(kw_only=True)
class Service:
    """Built by bootstrap.py; stands behind the SDK, REST and the command line."""

    nodes: Nodes
    steps: RunSteps
    defaults: Defaults
    policies: tuple[str, ...] = ()
    lasting_notices: tuple[str, ...] = ()  # of what was missing or degraded at the start
    more_notices: list[Callable[[], tuple[str, ...]]] = field(default_factory=list)  # of what comes and goes
    trained: TrainedRouters
    trails: TrailKeeper
    skills: SkillCatalog
    webhooks: Webhooks
    training: TrainingSettings = TrainingSettings()
    plans: Plans = field(default_factory=Plans)
    verdicts: Verdicts
    verifiers: NamedVerifiers = field(default_factory=NamedVerifiers)
    listeners: list[RunListener] = field(default_factory=list)
    is_traced: bool = False  # a listener exports runs, and wants to know of their spans
    first_word_listeners: list[Callable[[str, float], None]] = field(default_factory=list)  # candidate id, seconds
    embeddings: EmbeddingService | None = None
    on_close: Callable[[], Awaitable[None]]  # lets go of models and stores
    runs: dict[asyncio.Task[RunState], Caller] = field(default_factory=dict)  # under way
    replays: ReplayDesk = field(init=False)
    audit: Audit = field(init=False)
    jobs: Jobs = field(init=False)
    worker: JobWorker = field(init=False)  # of this process; started by whoever wants jobs to be run here

    @property
    def notices(self) -> tuple[str, ...]:
        """What is missing or degraded, and which trained router chooses, for whoever looks."""
        others = [notice for notices in self.more_notices for notice in notices()]
        return (*self.lasting_notices, *others, *self.trained.notices(), *self.nodes.finder.notices())

    @property
    def stores(self) -> Stores:
        return self.nodes.stores

    async def run(self, text: str, **options: Unpack[RunOptions]) -> Run:
        """Routes, executes and records. Raises the last attempt's error, with its `decision_id`, when all failed.

        A caller who is cancelled cuts the answering short; the run is still settled and recorded.
        """
        asked = more_budget.set(options.get("more_budget"))
        if self.is_traced:
            current_trace.set(RunTrace(text=text))
        try:
            run = await self._run(text, options)
        except Exception as error:
            for listener in self.listeners:
                listener.failed(error.code if isinstance(error, ServiceError) else "internal_error")
            raise
        finally:
            more_budget.reset(asked)
        for listener in self.listeners:
            listener.answered(run)
        return run

    async def stream(self, text: str, **options: Unpack[RunOptions]) -> AsyncGenerator[Streamed, None]:
        """Who answers, the answer's pieces as they come, then the Run.

        Leaving the loop early cancels the run and settles it. Errors are those of `run`.
        """
        queue: asyncio.Queue[str | ReplyPiece | None] = asyncio.Queue()
        sink, began = AnswerSink(queue.put_nowait), time.perf_counter()
        context = copy_context()
        context.run(answer_sink.set, sink)
        run = asyncio.create_task(self.run(text, **options), context=context)
        run.add_done_callback(lambda _: queue.put_nowait(None))
        has_started = False
        try:
            while (delta := await queue.get()) is not None:
                if not has_started:
                    has_started = True
                    started = _started(sink, began)
                    for listener in self.first_word_listeners:
                        listener(started.candidate_id, time.perf_counter() - began)
                    yield started
                yield delta
            finished = await run
            if not has_started:  # an agent or a plan whose answer is known only at its end
                yield _started(sink, began) if sink.decision else _ended(finished)
                for piece in map(piece_of, finished.replies):
                    yield piece
                if not finished.replies:
                    yield finished.answer
            yield finished
        finally:
            run.cancel()
            await asyncio.wait([run])
            if not run.cancelled():
                run.exception()  # has been raised above, or nobody is left to hear it

    async def route(self, text: str, **options: Unpack[RunOptions]) -> Decision:
        """What would be decided now, and why; nothing runs and nothing is stored."""
        state = self.start(text, options)
        try:
            state = await self.nodes.with_found_skills(state)
            made = await chosen(self.nodes, state)
            return await self.nodes.decision(made.state, made.choice, attempt=1, before=made.before)
        finally:
            self.nodes.tracer.collect(state["query"])  # nothing ran, so there is nothing to trace

    async def worst_cases(self, text: str, options: RunOptions) -> list[Amount]:
        """What each candidate that may answer could take, whatever the budget."""
        state = self.start(text, options)
        candidacies = await self.nodes.candidacies(state)
        offered = choices(candidacies, self.nodes.limits(state, BudgetLimits()))
        return [each.worst_case for each, option in zip(candidacies, offered, strict=True) if not option.mask_reason]

    async def feedback(
        self, decision_id: str, *, quality: float, judged_by: Judge = "user", idempotency_key: str | None = None
    ) -> Outcome:
        """A verdict on a decision's answer.

        The policies learn a decision's first reward at once; a later one takes its place when they learn the log again,
        at the next start, so that nobody can make one decision count many times.
        With a key, the same verdict again is the same outcome. Raises RecordNotFound, InvalidInput, and
        IdempotencyConflict for one key with two verdicts.
        """
        return await self.verdicts.record(
            decision_id, quality=quality, judged_by=judged_by, idempotency_key=idempotency_key
        )

    async def search_skills(self, text: str, *, top: int = 10) -> FoundSkills:
        """What a decision on this text would consider, and what of it may be shown. Raises IndexRefused."""
        return await self.nodes.finder.look(query_of(text, {}, self.defaults).text, most=top, top=top)

    async def memory(self, name: str | None = None, *, at: datetime | None = None) -> tuple[TrailTable, ...]:
        """What the memories of trails hold, all or this one, now or at a past moment. Raises InvalidInput."""
        return await tables_of(self.trails, memory=name, at=at)

    async def trace(self, run_id: str) -> Trace:
        """Decisions, outcomes, rewards, spans and texts of a run. Raises RecordNotFound."""
        return await trace_of(self.stores, run_id)

    async def attempt(self, decision_id: str) -> Attempt:
        """A decision with its outcomes and rewards. Raises RecordNotFound."""
        return await attempt_of(self.stores, decision_id)

    async def problems(self) -> list[str]:
        """Why a query could not be answered now; empty when it could. Raises StorageUnavailable."""
        await self.stores.budgets.get("default")
        waiting = len(self.nodes.recorder.pending)
        problems = [f"{waiting} records wait for the database"] if waiting else []
        troubles = {**self.nodes.health.reasons(), **self.nodes.absent_models}
        models = {candidate.model for candidate in self.nodes.candidates.values()}
        if models <= set(troubles):
            problems += [f"model {name!r} {troubles[name]}" for name in sorted(models)]
        return problems

    def cut_short(self) -> None:
        """Ends the answering of all runs under way; each is settled and recorded, and its caller told."""
        self.worker.hurry()
        for caller in self.runs.values():
            caller.leave()

    async def close(self) -> None:
        """Ends the runs under way, writes what waits, stops model servers and closes the stores."""
        await self.worker.stop()
        self.cut_short()
        await asyncio.gather(*self.runs, return_exceptions=True)
        await self.nodes.recorder.stop()
        await self.on_close()

    async def _run(self, text: str, options: RunOptions) -> Run:
        check_names(options)
        plan = plan_of_call(self.plans.chosen(options.get("plan")), options)
        if plan.name != SINGLE or plan.options or options.get("verifier") is not None:
            return await self._planned(plan, text, options)
        started = time.perf_counter()
        final = await self.carried_out(self.start(text, options))
        decision, outcome = final["decision"], final["outcome"]
        if outcome.status == "cancelled":
            raise stopping()
        if outcome.status != "succeeded":
            raise final["failure"].error()
        seconds = time.perf_counter() - started
        return Run(
            run_id=decision.run_id,
            answer=final["answer"],
            candidate_id=decision.candidate_id or "",
            decision_id=decision.id,
            cost_usd=final["spent"].usd,
            quality=outcome.quality,
            attempts=final["attempt"],
            latency_seconds=seconds,
            overhead_seconds=seconds - final["execute_seconds"],
            usage=outcome.usage,
            finish_reason=final["finish_reason"],
            replies=final.get("replies", ()),
            is_degraded=final["is_degraded"],
            spent=final["spent"],
        )

    async def _planned(self, spec: PlanSpec, text: str, options: RunOptions) -> Run:
        started = time.perf_counter()
        try:
            result, work = await run_plan(self, make_plan(spec), name=spec.name, text=text, options=options)
        except asyncio.CancelledError as exc:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise stopping() from exc
        answer, seconds = result.answer, time.perf_counter() - started
        spent = (await self.stores.budgets.get(work.query.account_id)).spent
        return Run(
            run_id=work.query.run_id,
            answer=answer.text if result.text is None else result.text,
            candidate_id=answer.candidate_id,
            decision_id=answer.decision_id,
            cost_usd=spent.usd,
            quality=None if answer.verdict is None else answer.verdict.quality,
            attempts=sum(state["attempt"] for state in work.states),
            latency_seconds=seconds,
            overhead_seconds=max(0.0, seconds - sum(state["execute_seconds"] for state in work.states)),
            usage=answer.usage,
            finish_reason=answer.finish_reason,
            plan=spec.name,
            verdict=answer.verdict,
            is_degraded=result.is_degraded or any(state["is_degraded"] for state in work.states),
            spent=spent,
            decision_ids=tuple(state["decision"].id for state in work.states),
        )

    async def carried_out(self, state: RunState) -> RunState:
        """The final state. The steps have a task of their own, which a cancelled caller does not cut off."""
        caller, context = Caller(), copy_context()
        context.run(current_caller.set, caller)
        task = asyncio.create_task(self._steps(state), context=context)
        self.runs[task] = caller
        task.add_done_callback(self.runs.pop)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            caller.leave()
            await asyncio.wait([task])
            if not task.cancelled() and (error := task.exception()) is not None:
                log.warning("A run that its caller left broke off: %s", type(error).__name__)
            raise

    async def _steps(self, state: RunState) -> RunState:
        try:
            return await self.steps.run(state)
        finally:
            self.nodes.health.released(state["query"].id)
            self.nodes.tracer.collect(state["query"])  # of a run that broke off before its record

    def start(self, text: str, options: RunOptions) -> RunState:
        """The state of a run that has not begun. Raises InvalidInput."""
        check_names(options)
        timeout = options.get("timeout_seconds")
        query = query_of(text, options, self.defaults)
        pinned = self._known_candidate(options.get("candidate"))
        require_able(query, self.nodes, pinned)
        return RunState(
            query=query,
            payload=Payload.of(text),
            policy=options.get("policy"),
            weights=weights_of(options.get("weights")),
            pinned=pinned,
            checker=options.get("checker"),
            limits=limits_of(options.get("budget"), options.get("budget_usd"), self.defaults.run_limits),
            on_exhausted=exhausted_of(options.get("on_exhausted"), self.defaults.on_exhausted),
            timeout_seconds=self.defaults.run_timeout_seconds if timeout is None else seconds_of(timeout),
            spent=Amount(),
            is_degraded=False,
            attempt=0,
            tried=(),
            execute_seconds=0.0,
        )

    def _known_candidate(self, candidate_id: str | None) -> str | None:
        if candidate_id is not None and candidate_id not in self.nodes.candidates:
            known = ", ".join(sorted(self.nodes.candidates))
            raise UnknownModel(f"No candidate {candidate_id!r}; known: {known}.", field="model")
        return candidate_id


def _ended(run: Run) -> Started:
    """Of a run that became known when it was over."""
    return Started(
        run_id=run.run_id,
        decision_id=run.decision_id,
        candidate_id=run.candidate_id,
        reserved_usd=run.cost_usd,
        overhead_seconds=run.overhead_seconds,
    )


def _started(sink: AnswerSink, began: float) -> Started:
    if sink.decision is None:
        raise RuntimeError("Words came before a decision.")
    return Started(
        run_id=sink.decision.run_id,
        decision_id=sink.decision.id,
        candidate_id=sink.decision.candidate_id or "",
        reserved_usd=sink.decision.budget_reserved_usd,
        overhead_seconds=sink.decided_at - began,
    )
