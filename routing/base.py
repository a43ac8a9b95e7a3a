"""The interfaces of routing: Router (queries, candidates), Policy (arms, contexts), Encoder (texts)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from routing.forecasts import Reference, Weights
from storage.records import Assessment, Candidate, Decision, Judge, Outcome, Query, Reward, ShadowChoice, utc_now

Vector = NDArray[np.float64]

ACTIVE, SHADOW = "active", "shadow"  # the trained router that chooses, and the one that is watched beside it
NO_ACTIVE_ROUTER = "no_active_router"
BAD_FORECAST = "bad_forecast"


@dataclass(frozen=True, kw_only=True)
class Condition:
    """How a candidate is at this moment, as far as it is known."""

    load: int = 0  # calls under way
    response_seconds: float | None = None  # recent median; None: none was seen
    error_share: float | None = None  # of the model's recent calls; None: none was seen
    is_warm: bool = True  # False: its model must be loaded first, which takes `cold_start_seconds`
    cold_start_seconds: float = 0.0
    joules: float | None = None  # of a usual call; None: not known


@dataclass(frozen=True, kw_only=True)
class Option:
    """A candidate as it stands for this query: what it could cost and why it may not be picked."""

    candidate: Candidate
    worst_case_usd: Decimal
    mask_reason: str | None = None  # None: allowed
    condition: Condition | None = None  # None: not known


@dataclass(frozen=True, kw_only=True, eq=False)
class ArmForecasts:
    """What one trained router expects of the candidates it knows, for one query; no number is a NaN or beyond 1e9."""

    version_id: str
    sha256: str  # of its artefact
    reference: Reference
    arm_to_place: Mapping[str, int]  # candidate id to its place in each vector
    quality: Vector
    cost_usd: Vector
    latency_seconds: Vector | None = None
    energy_joules: Vector | None = None


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a policy may know of a query. `vector` holds bias, task mixture and cheap signals; all in about [0, 1]."""

    task: str  # the likeliest task
    task_mixture: Mapping[str, float]  # w(q), sums to one
    vector: Vector
    encoder: str
    forecasts: Mapping[str, ArmForecasts] = field(default_factory=dict)  # ACTIVE or SHADOW to what it expects
    forecast_gap: str = NO_ACTIVE_ROUTER  # why ACTIVE is not among the forecasts, as a code
    weights: Weights | None = None  # what this caller wants; None: what the policy was made with
    stage: str = "answer"  # the step of the work that the query is
    embedding: NDArray[np.float32] | None = None  # the query's unit vector; None: not known any more
    arm_to_condition: Mapping[str, Condition] = field(default_factory=dict)
    # What the conditions took off, where they themselves are not known any more; None: work it out from them.
    arm_to_penalties: Mapping[str, Mapping[str, float]] | None = None
    at: datetime | None = None  # the moment that is meant; None: now


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What came of a decision, for a policy that wants more than the reward."""

    reward: float  # in [0, 1]
    quality: float | None = None  # in [0, 1]
    judged_by: Judge | None = None
    cost_usd: float = 0.0
    latency_seconds: float = 0.0
    joules: float = 0.0
    tenant: str = "default"
    principal: str = "local"
    propensity: float = 1.0
    decision_id: str | None = None
    payload_id: str | None = None
    at: datetime = field(default_factory=utc_now)  # when it was judged


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a stored decision says of who chose."""

    version: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The router's side of a decision; whoever holds the budget completes and stores it."""

    context: Context
    assessments: tuple[Assessment, ...]  # one an option, in the order given; masked ones have probability 0
    candidate_id: str | None  # None: every option is masked
    propensity: float
    policy: str
    policy_version: str
    policy_sha256: str  # of the policy's state when it chose
    rng_seed: int
    rng_counter: int
    weights: Weights | None = None  # what the policy weighed with; None: it weighs nothing
    shadow: ShadowChoice | None = None  # what the watched router would have picked
    shadow_probabilities: Mapping[str, float] = field(default_factory=dict)  # candidate id to its chance there


class Router(ABC):
    """Picks a candidate for a query, and learns from the reward."""

    @abstractmethod
    async def route(
        self,
        query: Query,
        options: Sequence[Option],
        *,
        policy: str | None = None,
        weights: Weights | None = None,
    ) -> Choice:
        """None means the default policy, or its own weights; a policy that weighs nothing takes no notice of weights.

        Raises UnknownPolicy; never raises because all options are masked.
        """

    @abstractmethod
    def learn(self, decision: Decision, reward: Reward) -> None:
        """Teaches every policy; called off the request path, and for each stored reward after a restart."""

    def begun(self, query: Query, decision: Decision) -> None:
        """Hears of a choice that was stored and is about to run; of one that was only looked at it never hears."""

    def ended(self, decision: Decision, outcome: Outcome) -> None:
        """Hears what running a decision came to and cost, judged or not; after a restart maybe again."""


class Policy(ABC):
    """Turns arms and a context into probabilities; never samples, never does I/O."""

    version: str = "1"

    @abstractmethod
    def scores(self, arms: Sequence[str], context: Context) -> Sequence[Mapping[str, float]]:
        """For each arm the named contributions whose sum is its score."""

    @abstractmethod
    def probabilities(self, arms: Sequence[str], context: Context) -> Vector:
        """One probability an arm, in the order given: positive, summing to one, the same when asked twice."""

    @abstractmethod
    def update(self, arm: str, context: Context, reward: float) -> None: ...

    def observe(self, arm: str, context: Context, lesson: Lesson) -> None:
        """Learns from all that is known of what came of a decision; by default from the reward alone."""
        self.update(arm, context, lesson.reward)

    def refusal(self, context: Context) -> str | None:
        """Why it has no view of its own on this context, as a code; None: it has. A refused context still gets scores
        and probabilities, from something simpler.
        """
        return None

    def identity(self, context: Context) -> Identity | None:
        """Who chooses in this context; None: the policy in its present state."""
        return None

    def weighed_with(self, context: Context) -> Weights | None:
        """The weights in force for this context; None: it weighs nothing."""
        return None

    def state(self) -> dict[str, object]:
        """All that must be saved to restore this policy: JSON values only."""
        return {}

    def restore(self, state: Mapping[str, object]) -> None:
        """Undo of `state`."""
