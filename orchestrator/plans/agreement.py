"""When two answers say the same, and which of several has the most behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.checkers import only_number, plain_words, proper_answer
from orchestrator.plans.base import Answer

SHORT_CHARACTERS = 400  # a longer answer is compared by what it ends with


@dataclass(frozen=True, kw_only=True)
class Group:
    """Answers that say the same, the first asked first."""

    key: str
    answers: tuple[Answer, ...]
    weight: float


def key_of(text: str) -> str:
    """What is compared: the number where the answer comes to one, else its plain words."""
    proper = proper_answer(text)
    number = only_number(proper)
    return plain_words(proper)[-SHORT_CHARACTERS:] if number is None else f"{number:.9g}"


def groups_of(answers: Sequence[Answer], weights: Sequence[float] | None = None) -> list[Group]:
    """The heaviest first; of equal ones that whose first answer came first. `weights`: one an answer; None: all 1."""
    key_to_members: dict[str, list[tuple[Answer, float]]] = {}
    for answer, weight in zip(answers, weights or [1.0] * len(answers), strict=True):
        key_to_members.setdefault(key_of(answer.text), []).append((answer, weight))
    groups = [
        Group(key=key, answers=tuple(answer for answer, _ in members), weight=sum(weight for _, weight in members))
        for key, members in key_to_members.items()
    ]
    return sorted(groups, key=lambda group: -group.weight)
