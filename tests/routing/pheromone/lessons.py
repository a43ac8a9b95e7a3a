"""Lessons, contexts and vectors for tests of memories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from routing.base import Context, Lesson
from routing.pheromone.memory import PheromoneMemory
from tests.routing.doubles import TASKS, a_context

ARMS = ("small", "large", "tools", "old")
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DIMENSION = 48


def now() -> datetime:
    return NOW


def a_memory(name: str = "pheromone", **options: object) -> PheromoneMemory:
    return PheromoneMemory(name, clock=now, **options)  # type: ignore[arg-type]


def a_lesson(reward: float, **changes: object) -> Lesson:
    fields: dict[str, object] = {"reward": reward, "quality": reward, "judged_by": "environment", "at": NOW}
    return Lesson(**{**fields, **changes})  # type: ignore[arg-type]


def unit_vectors(count: int, *, seed: int = 0) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def about(vector: NDArray[np.float32], task: str = "code", **changes: object) -> Context:
    """A context of a text with this vector."""
    return replace(a_context(task), embedding=vector, **changes)  # type: ignore[arg-type]


def teach(memory: PheromoneMemory, count: int, *, seed: int = 1, tenants: Sequence[str] = ("a", "b")) -> None:
    """Lessons on a few texts that come again and again, one decision each."""
    rng = np.random.default_rng(seed)
    vectors = unit_vectors(9)
    for number in range(count):
        text = int(rng.integers(len(vectors)))
        lesson = a_lesson(
            float(rng.random()),
            decision_id=f"decision_{seed}_{number}",
            payload_id=f"payload_{text}",
            tenant=tenants[number % len(tenants)],
        )
        stage = "plan" if number % 5 == 0 else "answer"
        memory.observe(ARMS[int(rng.integers(4))], about(vectors[text], TASKS[text % 3], stage=stage), lesson)
