"""Made-up skills of a few topics, and vectors that know them."""

from __future__ import annotations

import numpy as np

from skills.base import Provenance, Skill
from skills.groups.base import Floats

TOPICS = [
    "invoice",
    "kubernetes",
    "sonnet",
    "genome",
    "weather",
    "calendar",
    "password",
    "glacier",
    "stadium",
    "harbour",
]
VERBS = ["convert", "deploy", "translate", "plot", "merge", "review", "encrypt", "parse", "schedule", "count"]


def skill(number: int, *, kind: str = "text") -> Skill:
    topic, verb = TOPICS[number % len(TOPICS)], VERBS[number // len(TOPICS) % len(VERBS)]
    return Skill(
        id=f"s{number:05d}",
        name=f"{verb}_{topic}_{number}",
        description=f"Use it to {verb} the {topic}.",
        body=f"Open the {topic}, then {verb} page {number}.",
        provenance=Provenance(source="test", sha256=""),
    )


def skills(count: int) -> list[Skill]:
    return [skill(number) for number in range(count)]


def vectors_of(some: list[Skill], *, dimension: int = 32, noise: float = 0.15) -> Floats:
    """Near the direction of the skill's topic, of length one; the same for the same skill."""
    rows = np.zeros((len(some), dimension), dtype=np.float32)
    for row, one in enumerate(some):
        number = int(one.skill_id[1:])
        rows[row] = np.random.default_rng(number).normal(scale=noise, size=dimension)
        rows[row, number % len(TOPICS)] += 1
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
