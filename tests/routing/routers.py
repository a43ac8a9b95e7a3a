"""A router whose scores a test sets, for tests of what is wrapped around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from routing.base import Choice, Context, Option, Router
from routing.chances import share_of_best
from routing.forecasts import Weights
from routing.policies.exploration import DEFAULT_EXPLORATION, with_floor
from routing.router import sample
from storage.records import Assessment, Decision, Outcome, Query, Reward, ShadowChoice
from tests.routing.doubles import a_decision

CONTEXT = Context(task="t", task_mixture={"t": 1.0}, vector=np.array([1.0]), encoder="test")


class ScoredRouter(Router):
    """Prefers the highest of the scores it was given; each choice draws with the next counter."""

    def __init__(
        self, id_to_score: Mapping[str, float], *, seed: int = 7, shadow: Mapping[str, float] | None = None
    ) -> None:
        self.id_to_score = dict(id_to_score)
        self.seed = seed
        self.shadow = shadow  # probabilities of the watched router
        self.counter = 0
        self.heard: list[str] = []

    async def route(
        self,
        query: Query,
        options: Sequence[Option],
        *,
        policy: str | None = None,
        weights: Weights | None = None,
    ) -> Choice:
        allowed = [o.candidate.id for o in options if o.mask_reason is None]
        spread = with_floor(share_of_best([self.id_to_score[id] for id in allowed]), DEFAULT_EXPLORATION)
        probabilities = dict(zip(allowed, spread.tolist(), strict=True))
        picked = sample(list(spread), allowed, seed=self.seed, counter=self.counter)
        choice = Choice(
            context=CONTEXT,
            assessments=tuple(
                Assessment(
                    candidate_id=o.candidate.id,
                    probability=probabilities.get(o.candidate.id, 0.0),
                    score=self.id_to_score[o.candidate.id],
                    contributions={"reward": self.id_to_score[o.candidate.id]},
                    worst_case_usd=o.worst_case_usd,
                    mask_reason=o.mask_reason,
                )
                for o in options
            ),
            candidate_id=picked,
            propensity=probabilities[picked],
            policy="scored",
            policy_version="1",
            policy_sha256="0" * 64,
            rng_seed=self.seed,
            rng_counter=self.counter,
        )
        self.counter += 1
        if self.shadow is None:
            return choice
        seen = {id: self.shadow[id] for id in allowed}
        shadow = ShadowChoice(
            policy_version="v2",
            candidate_id=sample(list(seen.values()), allowed, seed=self.seed, counter=choice.rng_counter),
            probability=seen[picked],
        )
        return replace(choice, shadow=shadow, shadow_probabilities=seen)

    def learn(self, decision: Decision, reward: Reward) -> None:
        self.heard.append(f"learn {decision.id}")

    def begun(self, query: Query, decision: Decision) -> None:
        self.heard.append(f"begun {decision.id}")

    def ended(self, decision: Decision, outcome: Outcome) -> None:
        self.heard.append(f"ended {decision.id}")


def an_outcome(decision: Decision, cost_usd: Decimal | str = "0") -> Outcome:
    return Outcome(decision_id=decision.id, run_id=decision.run_id, status="succeeded", cost_usd=Decimal(cost_usd))


def begun(router: Router, query: Query, choice: Choice, **changes: object) -> Decision:
    """The choice as it was stored, told to the router."""
    decision = a_decision(choice, query_id=query.id, tenant=query.tenant, account_id=query.account_id, **changes)
    router.begun(query, decision)
    return decision
