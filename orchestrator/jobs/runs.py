"""Runs the steps of a claimed job, each at most once to its end, whoever else worked on it before.

A step's answer is in the log (the outcome `succeeded` of its decision, or for a step with a plan or a verifier the
event `step_finished`) before anybody goes on with it. So a later claim reads it back, and neither runs nor pays the
step again. A step that was under way when its worker died runs again; what that worker had held for it is forfeited
when the hold expires, and the log says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import orjson

from orchestrator.checkpoints import Checkpoints
from orchestrator.graph import SavedThread, answers_of
from orchestrator.identity import Identity
from orchestrator.jobs.bell import Bell
from orchestrator.jobs.definitions import Assignment
from orchestrator.run import Run
from orchestrator.run_options import RunOptions
from orchestrator.workflow import Workflow
from orchestrator.workflow_runs import StepRuns, WorkflowHost
from storage.budget_records import BudgetAccount
from storage.errors import RecordNotFound
from storage.job_records import Fence, Job, JobEvent
from storage.records import Payload
from storage.stores import DecisionFilter, Stores

PAGE = 500  # decisions or events that are read at once


@dataclass(kw_only=True)
class JobRuns:
    """Carries out jobs; `current_fence` is set by whoever calls."""

    host: WorkflowHost
    checkpoints: Checkpoints
    bell: Bell
    saved: set[str] = field(default_factory=set)  # jobs under way here, by id, with states to be forgotten

    async def run(self, job: Job) -> Payload:
        """The result. Raises the error of the step that failed; LeaseLost; StorageUnavailable; RecordNotFound for an
        erased request."""
        stores, fence = self.host.stores, Fence(job_id=job.id, number=job.fence)
        assignment = Assignment.of(await text_of(stores, job.payload_id))
        account = await self._account(job)
        known = await answered(stores, job, assignment.workflow) if job.fence > 1 else {}
        steps = StepRuns(
            host=self.host,
            workflow=assignment.workflow,
            inputs=assignment.inputs,
            run_id=job.run_id,
            limits=account.limits,
            common=RunOptions(identity=_identity(job), metadata={"job_id": job.id}),
            earlier=account.spent + account.held,
            done=frozenset(known),
        )
        work = JobSteps(steps=steps, stores=stores, fence=fence, bell=self.bell, known=known)
        thread = await self._thread(job, assignment.workflow)
        try:
            async with self.checkpoints.translated():
                answers = await answers_of(steps.name_to_needs, work, thread=thread)
        finally:
            await work.ended()
        return Payload.of(_result(job, answers, await self._cost_usd(job, steps)))

    async def prune(self, job: Job) -> None:
        """Forgets the states that were saved between the steps of a job that has ended."""
        if job.id in self.saved:
            self.saved.discard(job.id)
            await self.checkpoints.prune(job.id, job.fence)

    async def prune_ended(self) -> None:
        """The same for all jobs that ended while no worker had them, or whose worker died right after their end."""
        for job_id, fence in (await self.checkpoints.jobs()).items():
            with suppress(RecordNotFound):  # a store was thrown away, and its checkpoints were not
                if not (await self.host.stores.jobs.get(job_id)).has_ended:
                    continue
            await self.checkpoints.prune(job_id, fence)

    async def _account(self, job: Job) -> BudgetAccount:
        """The job's own account, under the one that pays; limits that were lifted since stay lifted."""
        budgets = self.host.stores.budgets
        if job.fence > 1:
            with suppress(RecordNotFound):  # the first worker died before it opened one
                return await budgets.get(job.run_id)
        return await budgets.open(BudgetAccount.of(job.run_id, job.limits, parent_id=job.account_id))

    async def _cost_usd(self, job: Job, steps: StepRuns) -> Decimal:
        """All that was spent for the job: also by earlier claims, holds that ran out with them included."""
        if job.fence == 1:
            return sum((run.spent.usd for run in steps.runs.values()), Decimal(0))
        return (await self.host.stores.budgets.get(job.run_id)).spent_usd

    async def _thread(self, job: Job, workflow: Workflow) -> SavedThread | None:
        """Of one step there is no state in between: its answer is in the log, or it is to be run."""
        if len(workflow.steps) == 1:
            return None
        self.saved.add(job.id)
        return await self.checkpoints.thread(job.id, job.fence)


@dataclass(kw_only=True)
class JobSteps:
    """The steps of one claim of a job: told in its events, and not run where an earlier claim has the answer."""

    steps: StepRuns
    stores: Stores
    fence: Fence
    bell: Bell
    known: Mapping[str, str]
    under_way: set[asyncio.Task[str]] = field(default_factory=set)

    async def __call__(self, name: str, values: Mapping[str, str]) -> str:
        if name in self.known:
            return self.known[name]
        task = asyncio.create_task(self._run(name, values))
        self.under_way.add(task)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            raise

    async def ended(self) -> None:
        """Returns when no step is under way: each is settled and recorded then, also where a neighbour failed."""
        if self.under_way:
            await asyncio.wait(self.under_way)
        for task in self.under_way:
            if not task.cancelled():
                task.exception()  # the first one was raised to the graph, and ends the job

    async def _run(self, name: str, values: Mapping[str, str]) -> str:
        await self._note("step_started", {"step": name})
        answer = await self.steps(name, values)
        run = self.steps.runs[name]
        told = {"step": name, "candidate": run.candidate_id, "decision_id": run.decision_id}
        told["cost_usd"] = f"{run.cost_usd:f}"
        if _is_planned(run):
            payload = Payload.of(answer)
            await self.stores.journal.write(payload, fence=self.fence)
            told["payload_id"] = payload.id
        await self._note("step_finished", told)
        return answer

    async def _note(self, kind: Literal["step_started", "step_finished"], data: Mapping[str, str]) -> None:
        await self.stores.jobs.note(self.fence, JobEvent(job_id=self.fence.job_id, kind=kind, data=data))
        self.bell.ring(self.fence.job_id)


async def answered(stores: Stores, job: Job, workflow: Workflow) -> dict[str, str]:
    """The answers of the steps that earlier claims finished. Raises RecordNotFound where a text was erased since."""
    found: dict[str, str] = {}
    before: int | None = None
    while page := await stores.decisions.find(DecisionFilter(run_id=job.run_id, before_position=before, limit=PAGE)):
        before = page[-1].position
        for each in page:
            decision = each.decision
            if decision.account_id != job.run_id or decision.step not in workflow.steps:
                continue  # an ask of a plan, which has an account of its own: not the whole step
            for outcome in await stores.decisions.outcomes_of(decision.id):
                if outcome.status == "succeeded" and outcome.payload_id is not None:
                    found[decision.step] = await text_of(stores, outcome.payload_id)
    after = 0
    while events := await stores.jobs.events(job.id, after=after, limit=PAGE):
        after = events[-1].seq
        for event in events:
            if event.kind == "step_finished" and "payload_id" in event.data:
                found[event.data["step"]] = await text_of(stores, event.data["payload_id"])
    return found


async def text_of(stores: Stores, payload_id: str) -> str:
    """Raises RecordNotFound for one that was erased."""
    payload = await stores.payloads.get(payload_id)
    if payload.text is None:
        raise RecordNotFound(f"The text {payload_id!r}, which the job needs, was erased.")
    return payload.text


def _is_planned(run: Run) -> bool:
    """Whether the answer may have come of several decisions."""
    return bool(run.decision_ids)


def _identity(job: Job) -> Identity:
    return Identity(tenant=job.tenant, principal=job.principal, role="writer", account_id=job.account_id)


def _result(job: Job, answers: Mapping[str, str], cost_usd: Decimal) -> str:
    plain = {
        "run_id": job.run_id,
        "answers": dict(answers),
        "answer": list(answers.values())[-1],
        "cost_usd": f"{cost_usd:f}",
    }
    return orjson.dumps(plain).decode()
