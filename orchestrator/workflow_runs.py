"""Runs a workflow: one run, one budget account for all of its steps, each with its share and routed by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

from orchestrator.allocation import Allocation, StepNeed
from orchestrator.budget_options import limits_of
from orchestrator.graph import build_workflow_graph
from orchestrator.run_options import RunOptions
from orchestrator.service import Run, Service
from orchestrator.workflow import Step, Workflow, WorkflowRun
from storage.budget_records import RESOURCES, Amount, BudgetAccount, BudgetLimits
from storage.errors import InvalidInput
from storage.records import new_id


async def run_workflow(
    service: Service,
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
    allocation = Allocation(limits=limits, needs={name: _need(step, limits) for name, step in workflow.steps.items()})
    runs: dict[str, Run] = {}

    def work(step: Step) -> Callable[[Mapping[str, str]], Awaitable[str]]:
        options: RunOptions = {**step.options, "run_id": run_id, "step": step.name, "account": run_id}
        options.pop("budget_usd", None)

        async def run(values: Mapping[str, str]) -> str:
            text = step.filled({**inputs, **values})
            least = await _least(service, text, options)
            allocation.limits = (await service.stores.budgets.get(run_id)).limits  # more may have been granted
            options["budget"] = allocation.begin(step.name, p95=least)
            runs[step.name] = await service.run(text, **options)
            allocation.end(step.name, spent=runs[step.name].spent)
            return runs[step.name].answer

        return run

    graph = build_workflow_graph(
        {name: work(step) for name, step in workflow.steps.items()},
        {name: [need for need in step.needs if need in workflow.steps] for name, step in workflow.steps.items()},
    )
    final = await graph.ainvoke({"values": {}})
    return WorkflowRun(
        run_id=run_id,
        answers={name: final["values"][name] for name in workflow.steps},
        runs={name: runs[name] for name in workflow.steps},
        cost_usd=sum((run.cost_usd for run in runs.values()), Decimal(0)),
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


async def _least(service: Service, text: str, options: RunOptions) -> Amount:
    """What the step takes at worst if the candidate who takes least does it; nothing where nobody may do it."""
    needs = await service.worst_cases(text, options)
    return Amount.of({name: min((getattr(each, name) for each in needs), default=0) for name in RESOURCES})
