"""The plan that asks the cheap first and goes on to the dearer while an answer is doubtful."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.plans.agreement import groups_of
from orchestrator.plans.asking import (
    ASK_FAILED,
    allowed,
    ask_all,
    by_price,
    checked_count,
    checked_names,
    checked_share,
    is_short,
    is_too_dear,
)
from orchestrator.plans.base import Answer, Ask, Plan, PlanResult, Standing, Work
from storage.errors import BudgetExceeded, InvalidInput, ServiceError

SIGNALS = ("auto", "verifier", "confidence", "consistency")
UNKNOWN_PRIOR = 0.5  # P(right) of who was never judged
SAMPLING_TEMPERATURE = 0.7


class CascadePlan(Plan):
    """Answers are accepted when the chance that they are right reaches a threshold (FrugalGPT, arXiv:2305.05176).

    The chance comes from the verifier by Bayes' rule with its error rates, where one was given; else from the mean
    token probability; else from how many of `samples` more answers say the same (AutoMix, arXiv:2310.12963, without its
    POMDP). The last rung is always accepted. `thresholds` and `skip_below`: one a rung, as `antroute plans fit` finds
    them; a rung of which less is expected for this query is not asked, the last one always.
    """

    source = "FrugalGPT, AutoMix"
    summary = "Cheap first; the next dearer one while the answer is doubtful."

    def __init__(
        self,
        *,
        order: Sequence[str] = (),
        accept: float = 0.8,
        thresholds: Sequence[float] = (),
        skip_below: Sequence[float] = (),
        signal: str = "auto",
        samples: int = 2,
        rungs: int = 3,
    ) -> None:
        if signal not in SIGNALS:
            raise InvalidInput(f"signal is {signal!r}; it must be one of {', '.join(SIGNALS)}.", field="signal")
        self.order = checked_names(order, "order")
        self.accept = checked_share(accept, "accept")
        if not isinstance(thresholds, list | tuple):
            raise InvalidInput(f"thresholds is {thresholds!r:.80}; it must be a list of numbers.", field="thresholds")
        self.thresholds = tuple(checked_share(each, "thresholds") for each in thresholds)
        if not isinstance(skip_below, list | tuple):
            raise InvalidInput(f"skip_below is {skip_below!r:.80}; it must be a list of numbers.", field="skip_below")
        self.skip_below = tuple(checked_share(each, "skip_below") for each in skip_below)
        self.signal = signal
        self.samples = checked_count(samples, "samples", most=8)
        self.rungs = checked_count(rungs, "rungs", least=2, most=8)

    async def run(self, work: Work) -> PlanResult:
        standings = await work.standings(step="answer")
        ladder = self._ladder(standings)
        asked: list[Answer] = []
        chances: list[float] = []
        failure: ServiceError | None = None
        is_doubtful = is_unpaid = False
        for rung, standing in enumerate(ladder):
            if standing is not ladder[-1] and self._is_hopeless(rung, standing):
                continue
            try:
                answer = await self._answered(work, standing, rung)
            except BudgetExceeded:
                if not asked:
                    raise
                return self._result(work, asked, chances, is_degraded=True)
            except ASK_FAILED as error:  # the next rung may do
                failure = failure or error
                continue
            is_unpaid = False
            try:
                chance, answer = await self._chance(work, answer, standing, is_last=standing is ladder[-1])
            except ASK_FAILED as error:  # nothing speaks for the answer, but it is there
                chance, is_unpaid = 0.0, is_short([error])
            asked.append(answer)
            chances.append(chance)
            is_doubtful = chance < self._threshold(rung)
            if not is_doubtful:
                break
        if failure is not None and not asked:
            raise failure
        is_degraded = is_unpaid or (is_doubtful and self._lacks_money(standings, ladder))
        return self._result(work, asked, chances, is_degraded=is_degraded)

    def _lacks_money(self, standings: Sequence[Standing], ladder: Sequence[Standing]) -> bool:
        """Whether somebody dearer than the last rung would have been asked, had there been money."""
        dear = [each for each in standings if is_too_dear(each) and (not self.order or each.candidate_id in self.order)]
        return any(each.price_usd > ladder[-1].price_usd for each in dear)

    def _ladder(self, standings: Sequence[Standing]) -> list[Standing]:
        free = allowed(standings)
        if not self.order:
            return _rising(by_price(free), self.rungs)
        id_to_standing = {each.candidate_id: each for each in free}
        known = {each.candidate_id for each in standings}
        if unknown := [name for name in self.order if name not in known]:
            raise InvalidInput(f"order names {unknown[0]!r}; known: {', '.join(sorted(known))}.", field="order")
        ladder = [id_to_standing[name] for name in self.order if name in id_to_standing]
        return ladder or by_price(free)[:1]

    async def _answered(self, work: Work, standing: Standing, rung: int) -> Answer:
        wants = self.signal in ("auto", "confidence")
        ask = Ask(step=f"answer/{rung + 1}", candidate=standing.candidate_id, wants_logprobs=wants)
        return await work.verify(await work.ask(ask))

    async def _chance(self, work: Work, answer: Answer, standing: Standing, *, is_last: bool) -> tuple[float, Answer]:
        """P(right), by the best signal there is; nothing more is paid for one that is accepted anyway."""
        if answer.verdict is not None and self.signal in ("auto", "verifier"):
            prior = UNKNOWN_PRIOR if standing.expected_quality is None else standing.expected_quality
            rates = work.error_rates(answer.verdict.verifier)
            return rates.chance_right(answer.verdict.passed, min(max(prior, 0.05), 0.95)), answer
        confidence = answer.mean_token_probability
        if self.signal in ("auto", "confidence") and confidence is not None:
            return confidence, answer
        if self.signal == "verifier":
            raise InvalidInput("signal is 'verifier', but none was given, or it cannot say.", field="signal")
        if is_last:
            return UNKNOWN_PRIOR if standing.expected_quality is None else standing.expected_quality, answer
        return await self._consistency(work, answer)

    async def _consistency(self, work: Work, answer: Answer) -> tuple[float, Answer]:
        """The share of all samples that say what most say, and the first answer that says so."""
        generation = replace(work.query.generation, temperature=SAMPLING_TEMPERATURE)
        asks = [
            Ask(
                step=f"{answer.step}/sample{place + 1}",
                candidate=answer.candidate_id,
                generation=replace(generation, seed=place + 1),
            )
            for place in range(self.samples)
        ]
        more, _ = await ask_all(work, asks)
        answers = [answer, *more]
        group = groups_of(answers)[0]
        return len(group.answers) / len(answers), group.answers[0]

    def _is_hopeless(self, rung: int, standing: Standing) -> bool:
        least = self.skip_below[rung] if rung < len(self.skip_below) else 0.0
        return standing.expected_quality is not None and standing.expected_quality < least

    def _threshold(self, rung: int) -> float:
        return self.thresholds[rung] if rung < len(self.thresholds) else self.accept

    def _result(self, work: Work, asked: list[Answer], chances: list[float], *, is_degraded: bool) -> PlanResult:
        """The last answer, or, where none was good enough and money is gone, the likeliest one."""
        place = max(range(len(asked)), key=lambda each: chances[each]) if is_degraded else len(asked) - 1
        work.note(rungs=str(len(asked)), chances=" ".join(f"{chance:.2f}" for chance in chances))
        return PlanResult(answer=asked[place], asked=tuple(asked), is_degraded=is_degraded)


def _rising(cheapest_first: Sequence[Standing], rungs: int) -> list[Standing]:
    """A ladder that climbs: each rung is expected to be better than those before, where that is known."""
    ladder: list[Standing] = []
    for standing in cheapest_first:
        best = max((each.expected_quality or 0.0 for each in ladder), default=-1.0)
        if standing.expected_quality is None or standing.expected_quality > best:
            ladder.append(standing)
    if len(ladder) <= rungs:
        return ladder
    return [*ladder[: rungs - 1], ladder[-1]]
