"""Small pools of made-up skills, and an encoder that counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routing.encoders.hashing import HashingEncoder
from skills.base import Provenance, Skill

VERBS = ["convert", "summarise", "deploy", "translate", "plot", "schedule", "encrypt", "parse", "merge", "review"]
NOUNS = ["invoice", "kubernetes", "sonnet", "spreadsheet", "weather", "calendar", "password", "genome", "ticket"]
PLACES = ["berlin", "orbit", "kitchen", "harbour", "library", "desert", "glacier", "stadium", "laboratory", "forest"]


class CountingEncoder:
    """Hashes, and remembers what it was asked."""

    def __init__(self, *, dimension: int = 256, name: str = "counting") -> None:
        self._encoder = HashingEncoder(dimension=dimension)
        self.dimension = dimension
        self.name = name
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        return self._encoder.encode(texts)


def skill(number: int, *, body: str | None = None, skill_id: str | None = None) -> Skill:
    verb, noun = VERBS[number % len(VERBS)], NOUNS[number // 10 % len(NOUNS)]
    place = PLACES[number // 90 % len(PLACES)]
    text = (
        f"# How to {verb}\nOpen the {noun} of the {place}, then {verb} page {number} of it. Mark m{number}x when done."
    )
    return Skill(
        id=skill_id or f"skill-{number:04d}",
        name=f"{verb}-{noun}",
        description=f"Use it to {verb} a {noun} in the {place}.",
        body=text if body is None else body,
        provenance=Provenance(source=f"pool:{number}", sha256="", license="MIT"),
    )


def skills(count: int) -> list[Skill]:
    return [skill(number) for number in range(count)]


def no_words(ranker: Path) -> None:
    """Of a ranker that learned none."""
