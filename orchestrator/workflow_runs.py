"""Runs a workflow: one run, one budget account for all of its steps, each step routed by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal

from orchestrator.graph import build_workflow_graph
from orchestrator.run_options import RunOptions, amount_of
from orchestrator.service import Run, Service
from orchestrator.workflow import Step, Workflow, WorkflowRun
from storage.errors import InvalidInput
from storage.records import BudgetAccount, new_id


async def run_workflow(
    service: Service,
    workflow: Workflow,
    inputs: Mapping[str, str],
    *,
    budget_usd: Decimal | float | str | None = None,
    account: str = "default",
) -> WorkflowRun:
    """Raises InvalidInput for missing or unknown inputs, and the error of the step that failed, which ends the run."""
    if set(inputs) != set(workflow.inputs):
        raise InvalidInput(
            f"Workflow {workflow.name!r} takes {', '.join(workflow.inputs)}; it got {', '.join(inputs) or 'nothing'}.",
            field="inputs",
        )
    if not workflow.steps:
        raise InvalidInput(
            f"Workflow {workflow.name!r} has no steps.", field="steps", hint="Add one: .step(name, prompt)"
        )
    run_id = new_id("run")
    limit = service.defaults.run_limit_usd if budget_usd is None else amount_of(budget_usd)
    await service.stores.budgets.open(BudgetAccount(id=run_id, limit_usd=limit, parent_id=account))
    runs: dict[str, Run] = {}

    def work(step: Step) -> Callable[[Mapping[str, str]], Awaitable[str]]:
        options: RunOptions = {
            "budget_usd": limit,
            **step.options,
            "run_id": run_id,
            "step": step.name,
            "account": run_id,
        }

        async def run(values: Mapping[str, str]) -> str:
            runs[step.name] = await service.run(step.filled({**inputs, **values}), **options)
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
