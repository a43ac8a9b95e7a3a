"""What routing saved: the same tokens at the prices of the best single candidate, less what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from storage.records import ModelCard, TokenUsage
from storage.summary_records import Totals


@dataclass(frozen=True, kw_only=True)
class Savings:
    """`reason`: why nothing can be said; then the figures are None."""

    best_id: str | None = None  # the candidate with the highest mean judged quality
    best_quality: float | None = None
    best_judged: int = 0
    cost_usd: Decimal = Decimal(0)  # what was really paid
    best_cost_usd: Decimal | None = None  # for the same tokens at the best one's prices
    reason: str = ""

    @property
    def saved_usd(self) -> Decimal | None:
        """Negative: routing cost more than the best one alone would have."""
        return None if self.best_cost_usd is None else self.best_cost_usd - self.cost_usd

    @property
    def share(self) -> float | None:
        """Of what the best one alone would have cost."""
        if self.best_cost_usd is None or not self.best_cost_usd:
            return None
        return float((self.best_cost_usd - self.cost_usd) / self.best_cost_usd)


def savings_of(totals: Sequence[Totals], cards: Mapping[str, ModelCard]) -> Savings:
    """`totals`: by candidate; `cards`: with the prices of today, by candidate. Of equals the cheaper one."""
    cost = sum((each.cost_usd for each in totals), Decimal(0))
    usage = sum((each.usage for each in totals), TokenUsage())
    judged = [each for each in totals if each.key and each.quality is not None]
    if not judged:
        return Savings(cost_usd=cost, reason="no answer was judged in this period, so nobody is known to be the best")
    best = min(judged, key=lambda each: (-(each.quality or 0.0), _cost(each.key, cards, usage), each.key))
    told = Savings(best_id=best.key, best_quality=best.quality, best_judged=best.judged, cost_usd=cost)
    if best.key not in cards:
        return replace(told, reason="the best one is not among the service's candidates any more")
    price = cards[best.key].cost_usd(usage)
    if not price:
        return replace(told, reason="the best one has no prices in the settings, or no tokens were counted")
    return replace(told, best_cost_usd=price)


def _cost(candidate_id: str, cards: Mapping[str, ModelCard], usage: TokenUsage) -> Decimal:
    return cards[candidate_id].cost_usd(usage) if candidate_id in cards else Decimal("Infinity")
