"""Shared doubles of the routing tests: encoders without a model, and short ways to make records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from routing.base import Choice, Context, Option
from storage.records import Candidate, Decision, ModelCard, Reward

TASKS = ("arithmetic", "code", "facts")


class RecordingEncoder:
    """Vectors made of the text's characters; remembers what it was asked for."""

    name = "recording-8"
    dimension = 8

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.batches.append(list(texts))
        vectors = np.ones((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for character in text:
                row[ord(character) % self.dimension] += 1.0
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


def a_candidate(id: str, **card: object) -> Candidate:
    return Candidate(id=id, agent="single_turn", model=f"model-of-{id}", card=ModelCard(model=f"model-of-{id}", **card))


def an_option(id: str, *, mask_reason: str | None = None) -> Option:
    return Option(candidate=a_candidate(id), worst_case_usd=Decimal("0.01"), mask_reason=mask_reason)


def a_context(task: str = "arithmetic", *, weight: float = 0.9, tasks: Sequence[str] = TASKS) -> Context:
    """A context that is surely of the task, but for `1 - weight` spread over the others."""
    others = (1.0 - weight) / (len(tasks) - 1)
    mixture = {name: weight if name == task else others for name in tasks}
    return Context(task=task, task_mixture=mixture, vector=np.array([1.0, *mixture.values()]), encoder="test")


def a_decision(choice: Choice, *, candidate_id: str | None = None, **changes: object) -> Decision:
    """The choice as it would be stored."""
    fields: dict[str, object] = {
        "query_id": "query_1",
        "run_id": "run_1",
        "step": "answer",
        "attempt": 1,
        "tenant": "default",
        "principal": "local",
        "account_id": "default",
        "payload_id": "payload_1",
        "payload_digest": "0" * 64,
        "task": choice.context.task,
        "task_mixture": choice.context.task_mixture,
        "context": tuple(choice.context.vector.tolist()),
        "encoder": choice.context.encoder,
        "assessments": choice.assessments,
        "candidate_id": candidate_id or choice.candidate_id,
        "propensity": choice.propensity,
        "policy": choice.policy,
        "policy_version": choice.policy_version,
        "policy_sha256": choice.policy_sha256,
        "rng_seed": choice.rng_seed,
        "rng_counter": choice.rng_counter,
        "budget_before_usd": Decimal(1),
        "budget_reserved_usd": Decimal("0.01"),
    }
    return Decision(**{**fields, **changes})


def a_reward(decision: Decision, value: float) -> Reward:
    return Reward(decision_id=decision.id, run_id=decision.run_id, outcome_id="outcome_1", value=value)


def total(contributions: Mapping[str, float]) -> float:
    return sum(contributions.values())
