"""Runs a workflow: one run, one budget account for all of its steps, each with its share and routed by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol, Unpack

from orchestrator.allocation import Allocation, StepNeed
from orchestrator.budget_options import limits_of
from orchestrator.graph import answers_of
from orchestrator.run import Run
from orchestrator.run_options import Defaults, RunOptions
from orchestrator.workflow import Step, Workflow, WorkflowRun
from storage.budget_records import RESOURCES, Amount, BudgetAccount, BudgetLimits
from storage.errors import InvalidInput
from storage.records import new_id
from storage.stores import Stores


class WorkflowHost(Protocol):
    """What of the service a workflow needs."""

    defaults: Defaults

    @property
    def stores(self) -> Stores: ...

    async def run(self, text: str, **options: Unpack[RunOptions]) -> Run: ...

    async def worst_cases(self, text: str, options: RunOptions) -> list[Amount]: ...


@dataclass(kw_only=True)
class StepRuns:
    """The steps of a workflow that is under way: each gets its share of what is left, and is run and paid by itself.

    `earlier` is what the run's account had spent or held before; the steps of `done` need no share any more.
    """

    host: WorkflowHost
    workflow: Workflow
    inputs: Mapping[str, str]
    run_id: str  # also the id of the account, which is open
    limits: BudgetLimits
    common: RunOptions = field(default_factory=RunOptions)  # of all steps
    earlier: Amount = Amount()
    done: frozenset[str] = frozenset()
    runs: dict[str, Run] = field(default_factory=dict)  # by step

    def __post_init__(self) -> None:
        self.allocation = Allocation(
            limits=self.limits.less(self.earlier),
            needs={name: _need(step, self.limits) for name, step in self.workflow.steps.items()},
            taken=dict.fromkeys(self.done, Amount()),
        )

    @property
    def name_to_needs(self) -> dict[str, list[str]]:
        """The steps that each step needs."""
        steps = self.workflow.steps
        return {name: [need for need in step.needs if need in steps] for name, step in steps.items()}

    async def __call__(self, name: str, values: Mapping[str, str]) -> str:
        """The step's answer. Raises what `Service.run` raises."""
        step = self.workflow.steps[name]
        text = step.filled({**self.inputs, **values})
        options: RunOptions = {**step.options, **self.common, "run_id": self.run_id, "step": name}
        options["account"] = self.run_id
        options.pop("budget_usd", None)
        least = await self._least(name, text, options)
        if len(self.workflow.steps) > 1:  # more may have been granted since the first one began
            account = await self.host.stores.budgets.get(self.run_id)
            self.allocation.limits = account.limits.less(self.earlier)
        options["budget"] = self.allocation.begin(name, p95=least)
        self.runs[name] = await self.host.run(text, **options)
        self.allocation.end(name, spent=self.runs[name].spent)
        return self.runs[name].answer

    async def _least(self, name: str, text: str, options: RunOptions) -> Amount:
        """What the step takes at worst if the candidate who takes least does it; nothing where nobody may do it.

        The last step to begin may take all that is left, so that nobody asks what it needs.
        """
        begun = {*self.allocation.taken, *self.allocation.shares, name}
        if begun >= set(self.workflow.steps):
            return Amount()
        needs = await self.host.worst_cases(text, options)
        return Amount.of({each: min((getattr(need, each) for need in needs), default=0) for each in RESOURCES})


async def run_workflow(
    service: WorkflowHost,
    workflow: Workflow,
    inputs: Mapping[str, str],
    *,
    budget_usd: Decimal | float | str | None = None,
    budget: BudgetLimits | Mapping[str, Any] | None = None,
    account: str = "default",
) -> WorkflowRun:
    """Raises InvalidInput for missing or unknown inputs, and the error of the step that failed, which ends the run."""
    _check(workflow, inputs)
    run_id = new_id("run")
    limits = limits_of(budget, budget_usd, service.defaults.run_limits)
    await service.stores.budgets.open(BudgetAccount.of(run_id, limits, parent_id=account))
    steps = StepRuns(host=service, workflow=workflow, inputs=inputs, run_id=run_id, limits=limits)
    answers = await answers_of(steps.name_to_needs, steps)
    return WorkflowRun(
        run_id=run_id,
        answers=answers,
        runs={name: steps.runs[name] for name in workflow.steps},
        cost_usd=sum((run.cost_usd for run in steps.runs.values()), Decimal(0)),
    )


def _check(workflow: Workflow, inputs: Mapping[str, str]) -> None:
    if set(inputs) != set(workflow.inputs):
        raise InvalidInput(
            f"Workflow {workflow.name!r} takes {', '.join(workflow.inputs)}; it got {', '.join(inputs) or 'nothing'}.",
            field="inputs",
        )
    if not workflow.steps:
        raise InvalidInput(
            f"Workflow {workflow.name!r} has no steps.", field="steps", hint="Add one: .step(name, prompt)"
        )


def _need(step: Step, limits: BudgetLimits) -> StepNeed:
    """A step's own limits: its budget, and no more seconds than its time-out, where seconds are limited."""
    options = step.options
    sla = limits_of(options.get("budget"), options.get("budget_usd"), BudgetLimits())
    if limits.seconds is not None:
        sla = sla.lower(BudgetLimits(seconds=options.get("timeout_seconds")))
    return StepNeed(sla=sla, is_critical=step.is_critical)
