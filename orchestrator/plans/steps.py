"""The plan in which a trained step policy says, attempt by attempt, who goes on, who starts anew, and when to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.plans.asking import ASK_FAILED, allowed, by_price, checked_count, checked_number, is_short
from orchestrator.plans.base import Answer, Ask, Plan, PlanResult, Standing, Work
from orchestrator.plans.prompts import quoted
from storage.errors import BudgetExceeded, InvalidInput
from storage.records import Message

if TYPE_CHECKING:
    from routing.steps.serving import JobState, StepPolicy

AGAIN = "That was judged wrong{evidence}. Answer the question again, better. Give the answer alone."


class StepsPlan(Plan):
    """Each attempt is a step: what a verifier says of it is its reward, as in Budget-Aware Agentic Routing
    (arXiv:2602.21227) the environment's. `policy`: a folder of `antroute train --kind steps`, trained on candidates of
    these ids. Without one a fixed schedule: the cheapest `turns` times, then the dearest as often.

    Who goes on sees its own attempt and the verdict; who starts anew sees the question alone. A right answer ends it.
    """

    operators = frozenset({"policy"})
    source = "Budget-Aware Agentic Routing, SeqRoute"
    summary = "A trained policy says when to try again, change, or stop."

    def __init__(self, *, policy: str | None = None, weight: float = 0.3, turns: int = 2, most: int = 8) -> None:
        if policy is not None and not isinstance(policy, str):
            raise InvalidInput(f"policy is {policy!r:.80}; it must be a folder's path.", field="policy")
        self.policy = policy
        self.weight = checked_number(weight, "weight")
        self.turns = checked_count(turns, "turns", most=8)
        self.most = checked_count(most, "most", most=32)

    async def run(self, work: Work) -> PlanResult:
        standings = allowed(await work.standings(step="step/1"))
        driver = _Schedule(standings, self.turns) if self.policy is None else await _Trained.of(self, work, standings)
        asked: list[Answer] = []
        while len(asked) < self.most:
            name = await driver.next(work, asked)
            if name is None:
                break
            try:
                answer = await work.verify(await work.ask(_ask(work, asked, name)))
            except ASK_FAILED as error:
                if not asked:
                    raise
                return PlanResult(answer=_best(asked), asked=tuple(asked), is_degraded=is_short([error]))
            asked.append(answer)
            if answer.verdict is None or answer.verdict.passed:
                break
        if not asked:
            raise BudgetExceeded("The step policy begins nothing with what is left of the budget.")
        work.note(steps=" ".join(answer.candidate_id for answer in asked))
        return PlanResult(answer=_best(asked), asked=tuple(asked))


class _Schedule:
    """The cheapest so many times, then the dearest."""

    def __init__(self, standings: Sequence[Standing], turns: int) -> None:
        ranked = by_price(standings)
        self.names = [ranked[0].candidate_id] * turns + [ranked[-1].candidate_id] * turns

    async def next(self, work: Work, asked: Sequence[Answer]) -> str | None:
        return self.names[len(asked)] if len(asked) < len(self.names) else None


class _Trained:
    """A loaded policy and the job as it sees it."""

    def __init__(self, policy: StepPolicy, state: JobState) -> None:
        self.policy = policy
        self.state = state
        self.told = 0

    @classmethod
    async def of(cls, plan: StepsPlan, work: Work, standings: Sequence[Standing]) -> _Trained:
        """Raises ArtifactRefused, and InvalidInput where the policy's candidates are not this service's."""
        from routing.steps.artifact import load
        from routing.steps.serving import StepPolicy

        policy = StepPolicy(await asyncio.to_thread(load, Path(str(plan.policy))), weight=plan.weight)
        known = {each.candidate_id for each in standings}
        if missing := [name for name in policy.candidates if name not in known]:
            raise InvalidInput(
                f"The step policy knows candidate {missing[0]!r}, which may not be asked here.",
                field="policy",
                hint="Train it on episodes of this service's candidates.",
            )
        return cls(policy, policy.begin(work.query.text, work.vector))

    async def next(self, work: Work, asked: Sequence[Answer]) -> str | None:
        from routing.steps.episodes import Step

        for answer in asked[self.told :]:
            verdict = answer.verdict
            step = Step(
                action=answer.text,
                observation="" if verdict is None else verdict.evidence,
                reward=None if verdict is None else verdict.quality,
                cost_usd=float(answer.cost_usd),
            )
            self.state.saw(answer.candidate_id, step)
        self.told = len(asked)
        decision = self.policy.decide(self.state, float(await work.remaining_usd()))
        return decision.candidate


def _ask(work: Work, asked: Sequence[Answer], name: str) -> Ask:
    step = f"step/{len(asked) + 1}"
    if not asked or asked[-1].candidate_id != name:
        return Ask(step=step, candidate=name)
    last = asked[-1]
    evidence = f": {quoted('verdict', last.verdict.evidence)}" if last.verdict and last.verdict.evidence else ""
    turns = (
        *work.query.context_messages,
        Message(role="user", content=work.query.text),
        Message(role="assistant", content=last.text),
    )
    return Ask(step=step, candidate=name, messages=turns, text=AGAIN.format(evidence=evidence))


def _best(asked: Sequence[Answer]) -> Answer:
    """The best judged one, of equal ones the last; without a verdict the last."""
    return max(reversed(asked), key=lambda each: 0.0 if each.verdict is None else each.verdict.quality)
