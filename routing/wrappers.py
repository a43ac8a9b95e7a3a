"""Routers around routers: go on without preference when the inner one cannot decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from routing.base import Choice, Context, Option, Router
from routing.errors import RoutingError, UnknownPolicy
from routing.features import Featurizer
from routing.forecasts import Weights
from routing.policies.uniform import Uniform
from routing.router import PolicyRouter
from storage.records import Decision, Outcome, Query, Reward

NO_ENCODER = "none"


class FallbackRouter(Router):
    """When the inner router fails with a RoutingError, each allowed option has the same chance, and the choice's policy
    says so: `uniform (after encoder_unavailable)`. An unknown policy is the caller's mistake and still raises.
    """

    def __init__(self, router: Router, *, seed: int | None = None) -> None:
        self._router = router
        self._spare = PolicyRouter({"uniform": Uniform()}, _Blind(), default="uniform", seed=seed)

    async def route(
        self,
        query: Query,
        options: Sequence[Option],
        *,
        policy: str | None = None,
        weights: Weights | None = None,
    ) -> Choice:
        try:
            return await self._router.route(query, options, policy=policy, weights=weights)
        except UnknownPolicy:
            raise
        except RoutingError as exc:
            choice = await self._spare.route(query, options)
            return replace(choice, policy=f"uniform (after {exc.code})")

    def learn(self, decision: Decision, reward: Reward) -> None:
        self._router.learn(decision, reward)

    def begun(self, query: Query, decision: Decision) -> None:
        self._router.begun(query, decision)

    def ended(self, decision: Decision, outcome: Outcome) -> None:
        self._router.ended(decision, outcome)


class _Blind(Featurizer):
    """Sees nothing of a text: there is no encoder to see with."""

    context_names = ("bias", "task:unknown")
    encoder_name = NO_ENCODER

    def contexts(self, texts: Sequence[str]) -> list[Context]:
        vector = np.array([1.0, 1.0])
        return [
            Context(task="unknown", task_mixture={"unknown": 1.0}, vector=vector, encoder=NO_ENCODER) for _ in texts
        ]

    def is_instant(self, text: str) -> bool:
        return True
