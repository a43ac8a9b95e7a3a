"""Fills a store with plausible decisions, outcomes and rewards of some weeks: what lists and charts are tried on.

    python -m benchmarks.decision_log --store sqlite:///log.db --decisions 100000

Everything goes through the store's own `Journal.write`, thousands of records a call, so that the log verifies. The same
seed and end give the same records. Five tenants of unlike size, six candidates, four policies, ten tasks; days and
nights; candidates that are masked, choices that explore, runs of several decisions, tries again, verdicts hours later.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from heapq import heappop, heappush
from random import Random
from typing import TypeVar

from storage.records import (
    Assessment,
    Decision,
    Judge,
    Outcome,
    OutcomeStatus,
    Payload,
    Reward,
    Span,
    TokenUsage,
    payload_digest,
    usd,
)
from storage.registry import open_stores
from storage.stores import Item, Stores

DAYS = 30
ITEMS_A_WRITE = 4000
NONE_LEFT = 0.01  # share of decisions where nobody is allowed
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Seller:
    """A candidate: how good and how dear it is."""

    id: str
    quality: float
    price_usd: float  # of a usual call
    seconds: float


SELLERS = (
    Seller(id="single_turn/qwen-0.5b", quality=0.55, price_usd=0.00002, seconds=0.6),
    Seller(id="single_turn/qwen-1.5b", quality=0.66, price_usd=0.00006, seconds=1.2),
    Seller(id="single_turn/smol-1.7b", quality=0.64, price_usd=0.00005, seconds=1.4),
    Seller(id="single_turn/mini", quality=0.78, price_usd=0.0006, seconds=1.1),
    Seller(id="step_by_step/mini", quality=0.83, price_usd=0.0014, seconds=2.9),
    Seller(id="single_turn/large", quality=0.9, price_usd=0.009, seconds=3.8),
)
TASKS = {
    "general": 30,
    "code": 18,
    "writing": 14,
    "reasoning": 10,
    "facts": 9,
    "arithmetic": 7,
    "data": 5,
    "text": 4,
    "dates": 2,
    "units": 1,
}
TENANTS = {"default": 55, "acme": 28, "initech": 12, "hooli": 4.7, "umbrella": 0.3}
POLICIES = {"linucb": 60, "pheromone": 25, "graph": 12, "uniform": 3}
PLANS = {"single": 84, "cascade": 10, "vote": 5, "refine": 1}
DECISIONS_OF = {"single": 1, "cascade": 2, "vote": 3, "refine": 2}
STATUSES: dict[OutcomeStatus, float] = {"succeeded": 94, "failed": 4, "cancelled": 1, "judged": 1}  # judged: none
JUDGES: dict[Judge | None, float] = {None: 45, "verifier": 25, "environment": 15, "judge": 10, "self": 5}
QUESTIONS = ("Summarise the thread on {}.", "Why does {} fail in the build?", "Write a function that checks {}.")
TOPICS = ("invoices", "leap years", "a queue of jobs", "tides in Brest", "retries", "the spring release")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", required=True, help="URL of a new store, as sqlite:///log.db")
    parser.add_argument("--decisions", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--no-texts", action="store_true", help="neither questions and answers nor spans: a third less")
    chosen = parser.parse_args()
    asyncio.run(made(chosen.store, chosen.decisions, seed=chosen.seed, with_texts=not chosen.no_texts))
    return 0


async def made(url: str, decisions: int, *, seed: int = 7, with_texts: bool = True) -> None:
    """A store with so many decisions until now, caught up; says how long it took."""
    stores = await open_stores(url, mode="grouped")
    started = time.perf_counter()
    traffic = Traffic(seed=seed, until=datetime.now(UTC).replace(microsecond=0), with_texts=with_texts)
    await fill(stores, traffic.items(decisions))
    print(f"{decisions} decisions written in {time.perf_counter() - started:.0f} s", flush=True)
    started = time.perf_counter()
    progress = await stores.summaries.catch_up(seconds=math.inf)
    print(f"{progress.position} events caught up with in {time.perf_counter() - started:.0f} s", flush=True)
    await stores.close()


async def fill(stores: Stores, items: Iterator[Item]) -> None:
    """Writes them all, in their order."""
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) >= ITEMS_A_WRITE:
            await stores.journal.write(*batch)
            batch.clear()
    await stores.journal.write(*batch)
    await stores.journal.flush()


class Traffic:
    """Records in the order in which a service would have written them."""

    def __init__(self, *, seed: int, until: datetime, days: int = DAYS, with_texts: bool = True) -> None:
        self.random = Random(seed)
        self.until = until
        self.days = days
        self.with_texts = with_texts
        self._later: list[tuple[datetime, int, tuple[Item, ...]]] = []  # what is written at which time
        self._pushed = 0

    def items(self, decisions: int) -> Iterator[Item]:
        """Of so many decisions, and what became of them until the end."""
        runs = self._runs(decisions)
        for at, (plan, count) in zip(self._moments(len(runs)), runs, strict=True):
            yield from self._due(at)
            self._plan_run(at, plan, count)
        yield from self._due(self.until + timedelta(minutes=2))

    def _due(self, until: datetime) -> Iterator[Item]:
        while self._later and self._later[0][0] <= until:
            yield from heappop(self._later)[2]

    def _push(self, at: datetime, *items: Item | None) -> None:
        self._pushed += 1
        heappush(self._later, (at, self._pushed, tuple(each for each in items if each is not None)))

    def _runs(self, decisions: int) -> list[tuple[str, int]]:
        """The plan of each run and how many decisions it takes; together just so many."""
        runs: list[tuple[str, int]] = []
        left = decisions
        while left > 0:
            plan = self._one_of(PLANS)
            count = min(left, DECISIONS_OF[plan] + (self.random.random() < 0.04))
            runs.append((plan, count))
            left -= count
        return runs

    def _moments(self, count: int) -> list[datetime]:
        """More by day than by night, and a little more every day; sorted."""
        start = self.until - timedelta(days=self.days)
        seconds: list[float] = []
        while len(seconds) < count:
            at = self.random.random() * self.days
            busy = (0.6 + 0.4 * at / self.days) * (0.55 - 0.45 * math.cos(2 * math.pi * at))
            if self.random.random() < busy:
                seconds.append(at * 86_400)
        return [start + timedelta(seconds=round(each, 3)) for each in sorted(seconds)]

    def _plan_run(self, at: datetime, plan: str, count: int) -> None:
        """Puts a run's decisions and outcomes among what is written later."""
        task, tenant = self._one_of(TASKS), self._one_of(TENANTS)
        question = self._text(self.random.choice(QUESTIONS).format(self.random.choice(TOPICS)))
        first = Decision(
            query_id=self._id("query"),
            run_id=self._id("run"),
            step="answer",
            attempt=1,
            tenant=tenant,
            principal=f"key_{self.random.randrange(12)}",
            account_id=tenant,
            payload_id="" if question is None else question.id,
            payload_digest="" if question is None else question.digest,
            task=task,
            task_mixture={task: 0.82, "general": 0.18} if task != "general" else {task: 1.0},
            context=tuple(round(self.random.random(), 6) for _ in range(12)),
            encoder="minilm-l6-int8",
            assessments=(),
            candidate_id=None,
            propensity=0.0,
            policy=self._one_of(POLICIES),
            policy_version="1",
            policy_sha256="ab" * 32,
            rng_seed=7,
            rng_counter=self._pushed,
            budget_before_usd=usd("25"),
            budget_reserved_usd=usd(0),
            weights={"quality": 1.0, "cost": 0.2},
            plan=plan,
        )
        for place in range(count):
            is_again = plan == "single" and place > 0
            decision = self._chosen(replace(first, attempt=place + 1 if is_again else 1, decided_at=at))
            self._push(at, question if place == 0 else None, decision)
            at += self._outcome(decision, at, must_fail=plan == "single" and place < count - 1)

    def _chosen(self, decision: Decision) -> Decision:
        """The decision with its candidates, of whom one is sampled by its probability."""
        random = self.random
        nobody = random.random() < NONE_LEFT
        allowed = [seller for seller in SELLERS if not nobody and random.random() > 0.04]
        utility = {}
        for seller in SELLERS:
            quality = min(1.0, max(0.0, random.gauss(seller.quality, 0.06)))
            utility[seller.id] = {"quality": quality, "cost": -0.05 * math.log10(seller.price_usd / 0.00002)}
        scores = {name: sum(parts.values()) for name, parts in utility.items()}
        heat = {seller.id: math.exp(scores[seller.id] / 0.05) for seller in allowed}
        whole = sum(heat.values())
        probabilities = {name: 0.98 * each / whole + 0.02 / len(heat) for name, each in heat.items()}
        chosen = self._one_of(probabilities) if allowed else None
        assessments = tuple(
            Assessment(
                candidate_id=seller.id,
                probability=probabilities.get(seller.id, 0.0),
                score=scores[seller.id],
                contributions=utility[seller.id],
                worst_case_usd=usd(round(seller.price_usd * 6, 9)),
                mask_reason=None if seller in allowed else "worst case is over what is left of the budget",
            )
            for seller in SELLERS
        )
        reserved = next((each.worst_case_usd for each in assessments if each.candidate_id == chosen), Decimal(0))
        return replace(
            decision,
            id=self._id("decision"),
            assessments=assessments,
            candidate_id=chosen,
            propensity=probabilities.get(chosen or "", 0.0),
            budget_reserved_usd=reserved,
            resources_reserved={"tokens": 900.0, "seconds": 30.0, "joules": 0.0},
        )

    def _outcome(self, decision: Decision, at: datetime, *, must_fail: bool) -> timedelta:
        """What became of it, written later; the time it took."""
        random = self.random
        seller = next((each for each in SELLERS if each.id == decision.candidate_id), None)
        if seller is None:
            refused = self._of(decision, at, "refused", error_code="no_candidate")
            self._push(at + timedelta(milliseconds=5), refused)
            return timedelta(milliseconds=10)
        status: OutcomeStatus = "failed" if must_fail else self._one_of(STATUSES)
        seconds = round(seller.seconds * random.lognormvariate(0, 0.5), 4)
        done = at + timedelta(seconds=seconds)
        if status == "judged":
            return timedelta(seconds=seconds)  # its process died: nothing was ever told
        judge = self._one_of(JUDGES) if status == "succeeded" else None
        quality = None if judge is None else round(min(1.0, max(0.0, random.gauss(seller.quality, 0.2))), 4)
        outcome = self._of(
            decision,
            done,
            status,
            quality=quality,
            judged_by=judge,
            verifier="tests" if judge == "verifier" else None,
            has_passed=(quality or 0) > 0.5 if judge == "verifier" else None,
            usage=TokenUsage(input=random.randrange(40, 900), cache_read=64, output=random.randrange(8, 400)),
            cost_usd=usd(round(seller.price_usd * random.lognormvariate(0, 0.6), 9)),
            latency_seconds=seconds,
            error_code="model_unavailable" if status == "failed" else None,
        )
        answer = self._text(f"About {decision.task}: it depends.") if status == "succeeded" else None
        if answer is not None:
            outcome = replace(outcome, payload_id=answer.id, payload_digest=answer.digest)
        self._push(done, answer, outcome, self._reward(decision, outcome), *self._spans(decision, at, seconds))
        if status == "succeeded" and random.random() < 0.05:
            later = done + timedelta(hours=random.random() * 20)
            verdict = self._of(decision, later, "judged", quality=float(random.random() < 0.8), judged_by="user")
            self._push(later, verdict, self._reward(decision, verdict))
        return timedelta(seconds=seconds, milliseconds=12)

    def _of(self, decision: Decision, at: datetime, status: OutcomeStatus, **said: object) -> Outcome:
        outcome = Outcome(
            decision_id=decision.id, run_id=decision.run_id, status=status, id=self._id("outcome"), happened_at=at
        )
        return replace(outcome, **said)  # type: ignore[arg-type]  # fields by name

    def _reward(self, decision: Decision, outcome: Outcome) -> Reward | None:
        if outcome.quality is None:
            return None
        return Reward(
            decision_id=decision.id,
            run_id=decision.run_id,
            outcome_id=outcome.id,
            value=max(0.0, outcome.quality - 20 * float(outcome.cost_usd)),
            quality=outcome.quality,
            judged_by=outcome.judged_by,
            cost_usd=outcome.cost_usd,
            latency_seconds=outcome.latency_seconds,
            id=self._id("reward"),
            rewarded_at=outcome.happened_at,
        )

    def _spans(self, decision: Decision, at: datetime, seconds: float) -> list[Span]:
        if not self.with_texts:
            return []
        named = (("route", 0.002, {"attempt": str(decision.attempt)}), ("execute", seconds, {"candidate": "one"}))
        return [
            Span(
                run_id=decision.run_id,
                name=name,
                started_at=at,
                seconds=took,
                id=self._id("span"),
                attributes=attributes | {"decision": decision.id},
            )
            for name, took, attributes in named
        ]

    def _text(self, text: str) -> Payload | None:
        if not self.with_texts:
            return None
        salt = f"{self.random.getrandbits(128):032x}"
        return Payload(text=text, salt=salt, digest=payload_digest(salt, text), id=self._id("payload"))

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{self.random.getrandbits(64):016x}"

    def _one_of(self, weights: Mapping[T, float]) -> T:
        return self.random.choices(list(weights), list(weights.values()))[0]


if __name__ == "__main__":
    sys.exit(main())
