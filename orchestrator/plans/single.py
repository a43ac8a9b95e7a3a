"""The plan that asks one candidate once; after a failure the next one."""

from __future__ import annotations

from orchestrator.plans.base import Ask, Plan, PlanResult, Work


class SinglePlan(Plan):
    """The router's choice, drawn from its probabilities."""

    source = "-"
    summary = "One candidate answers."

    async def run(self, work: Work) -> PlanResult:
        answer = await work.verify(await work.ask(Ask(step="answer", is_answer=True)))
        return PlanResult(answer=answer, asked=(answer,))
