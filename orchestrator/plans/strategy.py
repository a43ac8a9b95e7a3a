"""The plan that lets the gap between the best strategies decide how many of them are asked (PRISM, RoutingGen)."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.plans.agreement import groups_of
from orchestrator.plans.asking import (
    ASK_FAILED,
    allowed,
    ask_all,
    by_price,
    checked_count,
    checked_share,
    is_short,
    shares,
)
from orchestrator.plans.base import Answer, Ask, Plan, PlanResult, Standing, Work

TEMPERATURE = 0.1  # of the softmax over expected qualities


class StrategyPlan(Plan):
    """p_max >= `sure` and gap >= `gap`: the likeliest alone. p_max >= `sure` and a smaller gap: two, and a check, where
    a third settles a dispute. Else up to `most`, and the majority.

    A strategy is a candidate: one agent's way of putting one model to work. `easy_from`: where so much is expected of
    the cheapest, it answers alone (RoutingGen: reasoning is for hard queries).
    """

    source = "PRISM, RoutingGen"
    summary = "One strategy where it is clear, two where it is close, more where it is open."

    def __init__(self, *, sure: float = 0.35, gap: float = 0.1, most: int = 4, easy_from: float | None = None) -> None:
        self.sure = checked_share(sure, "sure")
        self.gap = checked_share(gap, "gap")
        self.most = checked_count(most, "most", least=2, most=8)
        self.easy_from = None if easy_from is None else checked_share(easy_from, "easy_from")

    async def run(self, work: Work) -> PlanResult:
        free = allowed(await work.standings(step="answer"))
        cheapest = by_price(free)[0]
        if self.easy_from is not None and (cheapest.expected_quality or 0.0) >= self.easy_from:
            work.note(strategies="1", why="easy")
            answer = await work.ask(Ask(step="answer", candidate=cheapest.candidate_id))
            return PlanResult(answer=answer, asked=(answer,))
        ranked = sorted(
            zip(shares(free, TEMPERATURE), free, strict=True), key=lambda each: (-each[0], each[1].candidate_id)
        )
        probabilities = [share for share, _ in ranked]
        order = [standing for _, standing in ranked]
        gap = probabilities[0] - (probabilities[1] if len(ranked) > 1 else 0.0)
        is_sure = probabilities[0] >= self.sure
        count = 1 if is_sure and gap >= self.gap else 2 if is_sure else self.most
        work.note(strategies=str(count), p_max=f"{probabilities[0]:.2f}", gap=f"{gap:.2f}")
        if count == 2 and len(order) > 1:
            return await self._checked(work, order)
        return await self._majority(work, order[:count])

    async def _checked(self, work: Work, order: Sequence[Standing]) -> PlanResult:
        answers, errors = await ask_all(work, [_ask(each) for each in order[:2]])
        groups = groups_of(answers)
        if len(groups) == 1 or len(answers) < 2:
            return PlanResult(answer=answers[0], asked=tuple(answers), is_degraded=is_short(errors))
        judged = [await work.verify(answer) for answer in answers]
        passed = [answer for answer in judged if answer.verdict is not None and answer.verdict.passed]
        if passed or len(order) < 3:
            return PlanResult(answer=(passed or judged)[0], asked=tuple(judged))
        return await self._third(work, order[2], judged)

    async def _third(self, work: Work, standing: Standing, answers: Sequence[Answer]) -> PlanResult:
        try:
            third = await work.ask(_ask(standing))
        except ASK_FAILED as error:
            return PlanResult(answer=answers[0], asked=tuple(answers), is_degraded=is_short([error]))
        asked = (*answers, third)
        return PlanResult(answer=groups_of(asked)[0].answers[0], asked=asked)

    async def _majority(self, work: Work, order: Sequence[Standing]) -> PlanResult:
        answers, errors = await ask_all(work, [_ask(each) for each in order])
        return PlanResult(answer=groups_of(answers)[0].answers[0], asked=tuple(answers), is_degraded=is_short(errors))


def _ask(standing: Standing) -> Ask:
    return Ask(step=f"answer/{standing.candidate_id}", candidate=standing.candidate_id)
