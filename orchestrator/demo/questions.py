"""Checkable questions for the demo, made from a seed: short to read, short to answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.checkers import Checker
from orchestrator.demo.code_questions import code_question
from orchestrator.demo.date_questions import date_question
from orchestrator.demo.dice import Dice
from orchestrator.demo.draft import Draft
from orchestrator.demo.number_questions import arithmetic_question, unit_question
from orchestrator.demo.text_questions import fact_question, lookup_question, string_question
from storage.errors import InvalidInput

KIND_TO_MAKER: dict[str, Callable[[Dice], Draft]] = {
    "arithmetic": arithmetic_question,
    "units": unit_question,
    "dates": date_question,
    "code": code_question,
    "facts": fact_question,
    "strings": string_question,
    "lookup": lookup_question,
}
MAX_QUESTIONS = 1000  # beyond, the facts would run out
DRAWS_A_QUESTION = 50  # tries to find one that was not asked yet


@dataclass(frozen=True, kw_only=True)
class Question:
    """Something to ask, and how to judge the answer."""

    id: str
    kind: str
    text: str
    checker: Checker


def make_questions(count: int, *, seed: int) -> list[Question]:
    """`count` different questions; any stretch of as many questions as there are kinds holds each kind about once.

    The same count and seed give the same questions. Raises InvalidInput for a count outside 1 to MAX_QUESTIONS.
    """
    if not 1 <= count <= MAX_QUESTIONS:
        raise InvalidInput(f"count is {count}; it must lie between 1 and {MAX_QUESTIONS}.", field="count")
    if seed < 0:
        raise InvalidInput(f"seed is {seed}; it must be at least 0.", field="seed")
    dice = Dice(seed)
    asked: set[str] = set()
    subjects: set[str] = set()
    questions: list[Question] = []
    while len(questions) < count:
        for kind in dice.some(list(KIND_TO_MAKER), min(len(KIND_TO_MAKER), count - len(questions))):
            draft = _fresh_draft(kind, dice, asked, subjects)
            asked.add(draft.text)
            subjects.add(draft.subject)
            identity = f"{kind}-{seed}-{len(questions):03d}"
            questions.append(Question(id=identity, kind=kind, text=draft.text, checker=draft.checker))
    return questions


def _fresh_draft(kind: str, dice: Dice, asked: set[str], subjects: set[str]) -> Draft:
    """One not asked yet, about something not asked about yet as long as there is such a thing."""
    spare: Draft | None = None
    for _ in range(DRAWS_A_QUESTION):
        draft = KIND_TO_MAKER[kind](dice)
        if draft.subject not in subjects:
            return draft
        spare = draft if draft.text not in asked else spare
    if spare is None:
        raise InvalidInput(f"No further question of kind {kind!r} was found; ask for fewer.", field="count")
    return spare
