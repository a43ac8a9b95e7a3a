"""The plan that asks the likeliest few and weighs their votes by how likely each is to be right (AgentRouter)."""

from __future__ import annotations

from orchestrator.plans.agreement import groups_of
from orchestrator.plans.asking import allowed, ask_all, checked_count, checked_number, checked_share, is_short, shares
from orchestrator.plans.base import Ask, Plan, PlanResult, Work


class VotePlan(Plan):
    """The top of p = softmax(expected quality / T) until their mass reaches `mass`, `most` at most; the answer with the
    largest sum of p over those who gave it (arXiv:2510.05445).
    """

    source = "AgentRouter"
    summary = "The likeliest few answer; their votes are weighed."

    def __init__(self, *, mass: float = 0.8, most: int = 3, temperature: float = 0.1) -> None:
        self.mass = checked_share(mass, "mass")
        self.most = checked_count(most, "most", most=8)
        self.temperature = checked_number(temperature, "temperature", what="1e-9 or more", least=1e-9)

    async def run(self, work: Work) -> PlanResult:
        free = allowed(await work.standings(step="answer"))
        ranked = sorted(
            zip(shares(free, self.temperature), free, strict=True), key=lambda each: (-each[0], each[1].candidate_id)
        )
        voters: dict[str, float] = {}
        for share, standing in ranked[: self.most]:
            voters[standing.candidate_id] = share
            if sum(voters.values()) >= self.mass:
                break
        answers, errors = await ask_all(work, [Ask(step=f"vote/{name}", candidate=name) for name in voters])
        groups = groups_of(answers, [voters.get(answer.candidate_id, 0.0) for answer in answers])
        work.note(voters=str(len(answers)), winning=f"{groups[0].weight / sum(voters.values()):.2f}")
        return PlanResult(answer=groups[0].answers[0], asked=tuple(answers), is_degraded=is_short(errors))
