"""How much of what is left one step may take, so that early steps leave enough for late ones (ATBA).

share_i = min(SLA_i, max(p95_i, remaining / steps left)), over seconds, USD, tokens and joules alike: a step's own
limit, else what it takes at least, else an even part. A part of the whole is kept for critical steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal

from storage.budget_records import MICRO_DIGITS, RESOURCES, Amount, BudgetLimits, Resource
from storage.records import USD_QUANTUM

NOISE_DIGITS = 12  # after the point; what binary arithmetic adds or takes lies beyond them
CRITICAL_RESERVE = 0.2  # of the whole is kept from other steps while critical ones are still to come


def share_of(*, sla: float | None, p95: float, remaining: float, steps_left: int) -> float:
    """min(SLA, max(p95, remaining / steps left)), and never more than remains; `sla` None: no limit of its own."""
    share = min(max(p95, remaining / max(steps_left, 1)), remaining)
    return max(share if sla is None else min(sla, share), 0.0)


@dataclass(frozen=True, kw_only=True)
class StepNeed:
    """What one step may take at most, by its own limits, and whether the others must leave something for it."""

    sla: BudgetLimits = BudgetLimits()
    is_critical: bool = False


@dataclass(kw_only=True)
class Allocation:
    """Splits the limits of a whole run over its steps as they begin; what a step leaves over, later ones share."""

    limits: BudgetLimits
    needs: Mapping[str, StepNeed]  # by step
    reserve: float = CRITICAL_RESERVE
    shares: dict[str, BudgetLimits] = field(default_factory=dict)  # of steps under way
    taken: dict[str, Amount] = field(default_factory=dict)  # by steps that have ended

    def begin(self, step: str, *, p95: Amount) -> BudgetLimits:
        """The step's share; of a resource without limit, the step's own one.

        `p95`: what the step takes at least, if it is done in the cheapest way there is.
        """
        share = BudgetLimits.of({name: self._share(step, name, p95) for name in RESOURCES})
        self.shares[step] = share
        return share

    def end(self, step: str, *, spent: Amount) -> None:
        """What the step did not take is free again."""
        self.shares.pop(step, None)
        self.taken[step] = spent

    def _share(self, step: str, name: Resource, p95: Amount) -> Decimal | float | None:
        own = getattr(self.needs[step].sla, name)
        limit = getattr(self.limits, name)
        if limit is None:
            return None if own is None else in_counts(name, float(own))
        waiting = [each for each in self.needs if each not in self.taken and each not in self.shares]
        share = share_of(
            sla=None if own is None else float(own),
            p95=float(getattr(p95, name)),
            remaining=self._free(name, float(limit)) - self._kept(step, float(limit)),
            steps_left=len(waiting),
        )
        return in_counts(name, share)

    def _free(self, name: Resource, limit: float) -> float:
        """What nobody has taken and no step under way may still take."""
        taken = sum(float(getattr(amount, name)) for amount in self.taken.values())
        return limit - taken - sum(float(getattr(share, name)) for share in self.shares.values())

    def _kept(self, step: str, limit: float) -> float:
        """The part of the reserve that belongs to the critical steps that are still to come, but for this one."""
        critical = [name for name, need in self.needs.items() if need.is_critical]
        others = [name for name in critical if name != step and name not in self.taken and name not in self.shares]
        return limit * self.reserve * len(others) / len(critical) if others else 0.0


def in_counts(name: Resource, number: float) -> Decimal | float:
    """The number in what a store counts of the resource, rounded down: shares never sum to more than there is."""
    exact = Decimal(str(round(number, NOISE_DIGITS)))
    if name == "usd":
        return exact.quantize(USD_QUANTUM, rounding=ROUND_DOWN)
    if name == "tokens":
        return int(exact)
    return float(exact.quantize(Decimal(1).scaleb(-MICRO_DIGITS), rounding=ROUND_DOWN))
