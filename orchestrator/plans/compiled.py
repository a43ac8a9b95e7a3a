"""The plan that runs a compiled workflow: one agent plays all of its roles in one context."""

from __future__ import annotations

from orchestrator.plans.asking import allowed
from orchestrator.plans.base import Ask, Plan, PlanResult, Work
from storage.errors import InvalidInput

AGENT = "compiled"


class CompiledPlan(Plan):
    """Asks among the candidates of agent `compiled`, whose skills are a workflow's roles ("When single-agent with
    skills replace multi-agent systems", arXiv:2601.04748: half the tokens where roles share a model and a history).
    `orchestrator.compiling.write_skills` makes such skills of a workflow.
    """

    source = "single agent with skills"
    summary = "One agent plays all roles of a workflow."

    async def run(self, work: Work) -> PlanResult:
        standings = await work.standings(step="answer")
        if not any(each.agent == AGENT for each in standings):
            raise InvalidInput(
                f"No candidate has the agent {AGENT!r}.",
                field="plan",
                hint="Compile a workflow (orchestrator.compiling), and add a candidate of that agent with its roles.",
            )
        able = frozenset(each.candidate_id for each in allowed(standings) if each.agent == AGENT)
        answer = await work.verify(await work.ask(Ask(step="answer", among=able, is_answer=True)))
        return PlanResult(answer=answer, asked=(answer,))
