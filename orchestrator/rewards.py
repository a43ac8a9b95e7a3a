"""An outcome as one number in [0, 1]: its quality, less what it cost."""

from __future__ import annotations

from decimal import Decimal

from storage.provenance import is_verified
from storage.records import ModelCard, Outcome, Reward, TokenUsage

USUAL_CALL = TokenUsage(input=300, output=60)  # what the reference cost is computed from


class Rewards:
    """utility = clip(quality - cost_weight * cost / reference cost, 0, 1) (ALGORITHMS: utility of a candidate)."""

    def __init__(self, *, cost_weight: float, reference_cost_usd: Decimal) -> None:
        self.cost_weight = cost_weight
        self.reference_cost_usd = reference_cost_usd

    def utility(self, quality: float, cost_usd: Decimal) -> float:
        relative_cost = float(cost_usd / self.reference_cost_usd)
        return max(0.0, min(1.0, quality - self.cost_weight * relative_cost))

    def reward_for(
        self, outcome: Outcome, *, cost_usd: Decimal, latency_seconds: float | None = None, joules: float = 0.0
    ) -> Reward | None:
        """None when nobody but its maker has judged the outcome: its own confidence says nothing of its worth.

        `cost_usd`, `latency_seconds` and `joules` (0: not known) are the execution's, which a later verdict does not
        repeat.
        """
        if outcome.quality is None or not is_verified(outcome.judged_by):
            return None
        value = self.utility(outcome.quality, cost_usd)
        return Reward(
            decision_id=outcome.decision_id,
            run_id=outcome.run_id,
            outcome_id=outcome.id,
            value=value,
            quality=outcome.quality,
            judged_by=outcome.judged_by,
            cost_usd=cost_usd,
            latency_seconds=outcome.latency_seconds if latency_seconds is None else latency_seconds,
            joules=joules,
        )


def reference_cost(cards: list[ModelCard]) -> Decimal:
    """A usual call of the dearest model; one nano-dollar where all are free, so that utility stays defined."""
    return max([card.cost_usd(USUAL_CALL) for card in cards] + [Decimal("0.000000001")])
