"""The interfaces of routing: Router (queries, candidates), Policy (arms, contexts), Encoder (texts)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from storage.records import Assessment, Candidate, Decision, Query, Reward

Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Option:
    """A candidate as it stands for this query: what it could cost and why it may not be picked."""

    candidate: Candidate
    worst_case_usd: Decimal
    mask_reason: str | None = None  # None: allowed


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a policy may know of a query. `vector` holds bias, task mixture and cheap signals; all in about [0, 1]."""

    task: str  # the likeliest task
    task_mixture: Mapping[str, float]  # w(q), sums to one
    vector: Vector
    encoder: str


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


class Router(ABC):
    """Picks a candidate for a query, and learns from the reward."""

    @abstractmethod
    async def route(self, query: Query, options: Sequence[Option], *, policy: str | None = None) -> Choice:
        """`policy` None means the default one. Raises UnknownPolicy; never raises because all options are masked."""

    @abstractmethod
    def learn(self, decision: Decision, reward: Reward) -> None:
        """Teaches every policy; called off the request path, and for each stored reward after a restart."""


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

    def state(self) -> dict[str, object]:
        """All that must be saved to restore this policy: JSON values only."""
        return {}

    def restore(self, state: Mapping[str, object]) -> None:
        """Undo of `state`."""


class Encoder(Protocol):
    """Texts to unit vectors."""

    name: str  # with version; stands in every decision
    dimension: int

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(texts), dimension), rows of length one. Blocking: callers use a thread."""
        ...
