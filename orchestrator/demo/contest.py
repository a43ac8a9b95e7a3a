"""The demo's contest: policies answer the same questions, question by question, until the time is up."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from orchestrator.checkers import check
from orchestrator.demo.questions import Question
from orchestrator.demo.remembering import replayed_seconds
from orchestrator.run_options import RunOptions
from orchestrator.service import Service
from storage.errors import ServiceError

WORKERS = 3  # questions under way at once; each local model does one at a time


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A way to choose, and whether it learns from what it did."""

    name: str
    options: RunOptions
    is_learner: bool = False


@dataclass(frozen=True, kw_only=True)
class Answered:
    """One question answered by one contender's choice."""

    question: Question
    contender: str
    candidate_id: str
    decision_id: str
    run_id: str
    answer: str
    quality: float
    cost_usd: Decimal
    seconds: float  # of the candidate, also where its answer was remembered
    utility: float


@dataclass(kw_only=True)
class Standing:
    """How a contender did on the questions that all contenders have answered."""

    name: str
    answered: list[Answered] = field(default_factory=list)

    @property
    def accuracy(self) -> float:
        return sum(each.quality for each in self.answered) / max(len(self.answered), 1)

    @property
    def utility(self) -> float:
        return sum(each.utility for each in self.answered) / max(len(self.answered), 1)

    @property
    def cost_usd(self) -> Decimal:
        return sum((each.cost_usd for each in self.answered), Decimal(0))

    @property
    def seconds(self) -> float:
        return sum(each.seconds for each in self.answered)

    def shares(self) -> dict[str, float]:
        """How often each candidate was picked, most often first."""
        counts = Counter(each.candidate_id for each in self.answered)
        return {name: count / len(self.answered) for name, count in counts.most_common()}


async def put(service: Service, question: Question, contender: Contender) -> Answered:
    """Runs one question for one contender. Only a learner's answer is judged where policies can learn from it."""
    waited: list[float] = []
    replayed_seconds.set(waited)
    options: RunOptions = {**contender.options, "metadata": {"contender": contender.name, "question": question.id}}
    if contender.is_learner:
        options["checker"] = question.checker
    started = time.perf_counter()
    try:
        run = await service.run(question.text, **options)
    except ServiceError as error:
        seconds = time.perf_counter() - started + sum(waited)
        return await _without_answer(service, question, contender, error, seconds)
    quality = check(question.checker, run.answer)
    return Answered(
        question=question,
        contender=contender.name,
        candidate_id=run.candidate_id,
        decision_id=run.decision_id,
        run_id=run.run_id,
        answer=run.answer,
        quality=quality,
        cost_usd=run.cost_usd,
        seconds=run.latency_seconds + sum(waited),
        utility=service.nodes.rewards.utility(quality, run.cost_usd),
    )


async def contest(
    service: Service,
    questions: Sequence[Question],
    contenders: Sequence[Contender],
    *,
    until: float,
    on_answer: Callable[[Answered], None],
) -> list[Standing]:
    """Every contender on every question, as far as the time (`until`, monotonic seconds) reaches.

    A question counts only once all contenders have answered it, so that nobody is compared on easier ones.
    """
    waiting = list(reversed(questions))
    finished: list[list[Answered]] = []

    async def work() -> None:
        while waiting and time.monotonic() < until:
            question = waiting.pop()
            row = []
            for contender in contenders:
                row.append(await put(service, question, contender))
                on_answer(row[-1])
            finished.append(row)

    await asyncio.gather(*(work() for _ in range(WORKERS)))
    standings = [Standing(name=contender.name) for contender in contenders]
    for row in finished:
        for standing, answered in zip(standings, row, strict=True):
            standing.answered.append(answered)
    return standings


async def _without_answer(
    service: Service, question: Question, contender: Contender, error: ServiceError, seconds: float
) -> Answered:
    """Wrong, and paid for all the same: what the failed attempts cost stands in the log."""
    if error.decision_id is None:
        raise error
    run_id = (await service.attempt(error.decision_id)).decision.run_id
    return Answered(
        question=question,
        contender=contender.name,
        candidate_id="(no answer)",
        decision_id=error.decision_id,
        run_id=run_id,
        answer=str(error),
        quality=0.0,
        cost_usd=(await service.trace(run_id)).cost_usd,
        seconds=seconds,
        utility=0.0,
    )
