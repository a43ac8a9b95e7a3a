"""The policy that looks at the price alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from routing.base import Context, Policy, Vector
from routing.chances import share_of_best
from routing.policies.exploration import DEFAULT_EXPLORATION, checked_exploration, with_floor


class Cheapest(Policy):
    """score = -price; learns nothing. An arm without a price counts as the dearest known."""

    def __init__(
        self, *, arm_to_price_usd: Mapping[str, float] | None = None, exploration: float = DEFAULT_EXPLORATION
    ) -> None:
        self.arm_to_price_usd = dict(arm_to_price_usd or {})
        self.exploration = checked_exploration(exploration)

    def scores(self, arms: Sequence[str], context: Context) -> Sequence[Mapping[str, float]]:
        dearest = max(self.arm_to_price_usd.values(), default=0.0)
        return [{"price": -self.arm_to_price_usd.get(arm, dearest)} for arm in arms]

    def probabilities(self, arms: Sequence[str], context: Context) -> Vector:
        best = share_of_best([score["price"] for score in self.scores(arms, context)])
        return with_floor(best, self.exploration)

    def update(self, arm: str, context: Context, reward: float) -> None:
        """Nothing to learn."""
