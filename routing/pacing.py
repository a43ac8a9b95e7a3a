"""Paces spend over a period: a price on cost that rises while more is spent than the period allows, and falls again."""

from __future__ import annotations

import math
from calendar import monthrange
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from routing.base import Choice, Option, Router
from routing.forecasts import Weights
from routing.recent import Recent
from routing.redrawing import redrawn
from storage.errors import InvalidInput
from storage.records import Decision, Outcome, Query, Reward

Period = Literal["hour", "day", "week", "month"]

PACING = "pacing"  # the contribution to a score
STEP = 0.002  # η: what λ moves by when a call costs twice its share
HIGHEST_PRICE = 1.0  # λ: as much as the best answer is worth
TEMPERATURE = 0.05  # of the scores: a penalty of this much takes a chance down to 1/e of what it was against others
EXPLORATION = 0.01  # share of all choices that is spread evenly in spite of the price
GREATEST_RATIO = 100.0  # of a call's cost to its share; one call moves λ by no more
LEAST_ELAPSED = 0.01  # of a period, before its own rate of calls is believed
FORMER_WEIGHT = 0.05  # of a period that the former period's rate of calls counts as
RATIO_WEIGHT = 0.05  # of the newest call in the ratio of real cost to worst case
REMEMBERED = 50_000  # decisions whose cost is booked, so that none is booked twice


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What may be spent in each period (UTC; a week begins on Monday)."""

    usd: float
    period: Period = "month"

    def __post_init__(self) -> None:
        if not 0 < self.usd < math.inf:
            raise InvalidInput(f"The allowance is {self.usd!r}; it must be an amount above 0.", field="usd")
        if self.period not in get_args(Period):
            raise InvalidInput(f"No period {self.period!r}; known: {', '.join(get_args(Period))}.", field="period")

    def begin(self, at: datetime) -> datetime:
        """When the period of this moment began."""
        hour = at.replace(minute=0, second=0, microsecond=0)
        day = hour.replace(hour=0)
        begins: dict[str, datetime] = {
            "hour": hour,
            "day": day,
            "week": day - timedelta(days=at.weekday()),
            "month": day.replace(day=1),
        }
        return begins[self.period]

    def seconds(self, begin: datetime) -> float:
        """The length of the period that began then."""
        days = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": float(monthrange(begin.year, begin.month)[1])}
        return days[self.period] * 86_400.0


class Pacer:
    """λ ← clip(λ + η (c / B - 1), 0, λ_max) at each call, as ParetoBandit's dual variable; c: what it cost.

    B is not the fixed share of the allowance, but what is left of it, over the calls that are still to be expected at
    the rate so far: what was saved or overspent is made good by the period's end, and nights do not look like thrift.
    """

    def __init__(self, allowance: Allowance) -> None:
        self.allowance = allowance
        self.price = 0.0  # λ
        self.spent_usd = 0.0  # in this period
        self._begin: datetime | None = None
        self._count = 0  # of calls in this period
        self._former_rate = 0.0  # calls a second in the period before

    def spend(self, cost_usd: float, at: datetime) -> None:
        """Books what a call cost; one of a period that is over changes nothing."""
        begin = self.allowance.begin(at)
        if self._begin is not None and begin < self._begin:
            return
        self._enter(begin)
        share = self._share_usd(at)
        self._count += 1
        self.spent_usd += cost_usd
        ratio = min(cost_usd / share, GREATEST_RATIO) if share > 0 else GREATEST_RATIO
        self.price = min(max(self.price + STEP * (ratio - 1.0), 0.0), HIGHEST_PRICE)

    def _enter(self, begin: datetime) -> None:
        if begin == self._begin:
            return
        if self._begin is not None:
            follows = begin == self.allowance.begin(self._begin + timedelta(seconds=self._length() + 1))
            self._former_rate = self._count / self._length() if follows else 0.0
        self._begin, self._count, self.spent_usd = begin, 0, 0.0

    def _length(self) -> float:
        return self.allowance.seconds(self._begin) if self._begin else math.inf

    def _share_usd(self, at: datetime) -> float:
        """B: what is left, over the calls that are still to come, this one among them."""
        if self._begin is None:
            return self.allowance.usd
        length, elapsed = self._length(), (at - self._begin).total_seconds()
        former = FORMER_WEIGHT * length if self._former_rate else 0.0
        seen = self._count + 1 + self._former_rate * former
        rate = seen / max(elapsed + former, LEAST_ELAPSED * length)
        return (self.allowance.usd - self.spent_usd) / max(rate * (length - elapsed), 1.0)


class PacedRouter(Router):
    """Wraps a router: a candidate's chance falls by e^(-λ c̃ / T), where c̃ is its expected cost over the dearest one's.

    These probabilities have the greatest expected score less λ c̃, less T times their divergence from the wrapped
    router's, so that it works with any policy; `pacing` in a score is -λ c̃. Expected cost is the worst case for this
    query times what the candidate's calls have taken of their worst cases. Where two allowances apply, the higher price
    does. Without a price nothing is changed.
    """

    def __init__(
        self,
        router: Router,
        *,
        whole: Allowance | None = None,
        accounts: Mapping[str, Allowance] | None = None,
        ancestors: Callable[[str], Awaitable[Sequence[str]]] | None = None,
    ) -> None:
        """`whole`: of all accounts together; `accounts`: of single ones and of what draws on them, by id.

        `ancestors`: the accounts that an account draws on, so that a run's own account counts for its owner's.
        """
        self._router = router
        self._ancestors = ancestors
        self._account_to_owners: Recent[tuple[str, ...]] = Recent(REMEMBERED)
        self._whole = None if whole is None else Pacer(whole)
        self._account_to_pacer = {account: Pacer(allowance) for account, allowance in (accounts or {}).items()}
        self._ratios = _CostRatios()
        self._booked: Recent[bool] = Recent(REMEMBERED)

    def price(self, account_id: str) -> float:
        """λ that holds for this account."""
        return max((pacer.price for pacer in self._pacers(account_id)), default=0.0)

    async def route(
        self,
        query: Query,
        options: Sequence[Option],
        *,
        policy: str | None = None,
        weights: Weights | None = None,
    ) -> Choice:
        choice = await self._router.route(query, options, policy=policy, weights=weights)
        if self._account_to_pacer and self._ancestors and query.account_id not in self._account_to_owners:
            self._account_to_owners.remember(query.account_id, tuple(await self._ancestors(query.account_id)))
        price = self.price(query.account_id)
        costs = {
            o.candidate.id: float(o.worst_case_usd) * self._ratios.of(o.candidate.id)
            for o in options
            if o.mask_reason is None
        }
        dearest = max(costs.values(), default=0.0)
        if not price or not dearest:
            return choice
        return paced(choice, {id: price * cost / dearest for id, cost in costs.items()})

    def learn(self, decision: Decision, reward: Reward) -> None:
        """Also books the cost, unless that was done when the decision's work ended: after a restart it was not."""
        self._router.learn(decision, reward)
        self._book(decision, float(reward.cost_usd))

    def begun(self, query: Query, decision: Decision) -> None:
        self._router.begun(query, decision)

    def ended(self, decision: Decision, outcome: Outcome) -> None:
        self._router.ended(decision, outcome)
        self._book(decision, float(outcome.cost_usd))

    def _book(self, decision: Decision, cost_usd: float) -> None:
        if decision.candidate_id is None or decision.id in self._booked:
            return
        self._booked.remember(decision.id, True)
        self._ratios.add(decision.candidate_id, cost_usd, float(decision.budget_reserved_usd))
        for pacer in self._pacers(decision.account_id):
            pacer.spend(cost_usd, decision.decided_at)

    def _pacers(self, account_id: str) -> list[Pacer]:
        accounts = {account_id, *(self._account_to_owners.recall(account_id) or ())}
        own = [pacer for account, pacer in self._account_to_pacer.items() if account in accounts]
        return own if self._whole is None else [self._whole, *own]


def paced(choice: Choice, id_to_penalty: Mapping[str, float]) -> Choice:
    """The choice with each one's chance lowered by its penalty, which stands in its score as `pacing`."""

    def change(probabilities: Mapping[str, float]) -> Mapping[str, float]:
        return _tilted(probabilities, id_to_penalty)

    return redrawn(choice, change, parts={id: {PACING: -each} for id, each in id_to_penalty.items()})


class _CostRatios:
    """Of each candidate, the real cost over the worst case, as a moving mean; of a new one, the mean of all calls."""

    def __init__(self) -> None:
        self._id_to_ratio: dict[str, float] = {}
        self._overall = 1.0

    def of(self, candidate_id: str) -> float:
        return self._id_to_ratio.get(candidate_id, self._overall)

    def add(self, candidate_id: str, cost_usd: float, worst_case_usd: float) -> None:
        if worst_case_usd > 0:
            ratio = cost_usd / worst_case_usd
            before = self.of(candidate_id)
            self._id_to_ratio[candidate_id] = before + RATIO_WEIGHT * (ratio - before)
            self._overall += RATIO_WEIGHT * (ratio - self._overall)


def _tilted(probabilities: Mapping[str, float], id_to_penalty: Mapping[str, float]) -> dict[str, float]:
    """p e^(-penalty / T), made to sum to one, with a little spread evenly."""
    least = min(id_to_penalty[id] for id in probabilities)
    powers = {id: p * math.exp((least - id_to_penalty[id]) / TEMPERATURE) for id, p in probabilities.items()}
    whole = math.fsum(powers.values())
    return {id: EXPLORATION / len(powers) + (1.0 - EXPLORATION) * power / whole for id, power in powers.items()}
