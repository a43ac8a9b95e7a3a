"""The plan that looks how far three quick answers agree before it spends more (ACAR)."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.plans.agreement import groups_of
from orchestrator.plans.asking import (
    ASK_FAILED,
    allowed,
    ask_all,
    by_price,
    checked_count,
    checked_name,
    is_short,
    require_known,
)
from orchestrator.plans.base import Answer, Ask, Plan, PlanResult, Standing, Work
from orchestrator.plans.prompts import chosen_letter, judge_prompt

SAMPLING_TEMPERATURE = 0.7
LETTER_TOKENS = 8


class ProbePlan(Plan):
    """sigma = (distinct of three probe answers - 1) / 2: 0 takes the probe's, .5 asks one more model and takes the
    majority, 1 asks three models and has the dearest judge.

    What it cannot mend: three probes that agree on something wrong. It saved 1.5 % and lost eight points against
    three models in its own figures; it ships as what to compare with.
    """

    source = "ACAR"
    summary = "Three quick answers of the cheapest; more models where they differ."

    def __init__(self, *, probe: str | None = None, models: int = 3) -> None:
        self.probe = checked_name(probe, "probe")
        self.models = checked_count(models, "models", least=2, most=5)

    async def run(self, work: Work) -> PlanResult:
        standings = await work.standings(step="answer")
        require_known(standings, probe=self.probe)
        free = by_price(allowed(standings))
        probe = self.probe or free[0].candidate_id
        generation = replace(work.query.generation, temperature=SAMPLING_TEMPERATURE)
        probes, errors = await ask_all(
            work,
            [
                Ask(step=f"probe/{place}", candidate=probe, generation=replace(generation, seed=place))
                for place in (1, 2, 3)
            ],
        )
        groups = groups_of(probes)
        sigma = (len(groups) - 1) / 2
        work.note(sigma=f"{sigma:g}")
        best = groups[0].answers[0]
        if sigma == 0 or is_short(errors):
            return PlanResult(answer=best, asked=tuple(probes), is_degraded=is_short(errors))
        others = [each for each in reversed(free) if each.candidate_id != probe]
        try:
            return await (self._majority if sigma < 1 else self._judged)(work, probes, others)
        except ASK_FAILED as error:
            return PlanResult(answer=best, asked=tuple(probes), is_degraded=is_short([error]))

    async def _majority(self, work: Work, probes: list[Answer], others: list[Standing]) -> PlanResult:
        """Two models: the probes and the best-paid other one."""
        more, errors = await ask_all(
            work, [Ask(step="second", candidate=each.candidate_id) for each in others[:1]] or [Ask(step="second")]
        )
        asked = [*probes, *more]
        return PlanResult(answer=groups_of(asked)[0].answers[0], asked=tuple(asked), is_degraded=is_short(errors))

    async def _judged(self, work: Work, probes: list[Answer], others: list[Standing]) -> PlanResult:
        """Three models answer, and the dearest one says which is right; its word counts only if it can be read."""
        more, errors = await ask_all(
            work,
            [Ask(step=f"answer/{each.candidate_id}", candidate=each.candidate_id) for each in others][: self.models]
            or [Ask(step="answer")],
        )
        asked, judge = [*probes, *more], more[0].candidate_id
        choices = [more[0], *[each for each in (*more[1:], probes[0]) if each is not more[0]]]
        generation = replace(work.query.generation, max_output_tokens=LETTER_TOKENS)
        try:
            reply = await work.ask(
                Ask(
                    step="judge",
                    text=judge_prompt(work.query.text, choices),
                    messages=(),
                    candidate=judge,
                    generation=generation,
                )
            )
        except ASK_FAILED as error:
            return PlanResult(answer=more[0], asked=tuple(asked), is_degraded=is_short([error]))
        place = chosen_letter(reply.text, len(choices))
        work.note(judged="unreadable" if place is None else choices[place].candidate_id)
        return PlanResult(answer=choices[place or 0], asked=(*asked, reply), is_degraded=is_short(errors))
