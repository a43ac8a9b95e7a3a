"""What a skill says that it is for, line by line: questions that it should win itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from skills.base import Skill

MOST_QUESTIONS = 6  # of one skill
LEAST_WORDS = 4
MOST_CHARACTERS = 300  # of one question
READ_CHARACTERS = 20_000  # of a body
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+|;\s+")
_WHEN_HEADING = re.compile(r"^#{1,6}\s.*\b(?:when to (?:use|apply|activate)|use cases?|use when)\b", re.IGNORECASE)
_HEADING = re.compile(r"^#{1,6}\s")
_WHEN_LINE = re.compile(r"\buse (?:this|it|when|for)\b", re.IGNORECASE)
_NEGATIVE = re.compile(
    r"^(?:not|don['’]?t|do not|never|avoid)\b|\bnot (?:for|when|to be used)\b|\binstead\b", re.IGNORECASE
)
_MARKS = re.compile(r"^[\s>*+\-\d.)\]\[x]+|[*_`]+")


def questions_of(skill: Skill) -> list[str]:
    """Each once: the sentences of the description, then the lines of the body that say when to use it.

    What a skill says that it is not for is no question of its own.
    """
    lines = [*_SENTENCE_END.split(skill.description), *_when_lines(skill.body[:READ_CHARACTERS])]
    plain = [" ".join(_MARKS.sub("", line).split())[:MOST_CHARACTERS] for line in lines]
    asked = [line for line in plain if len(line.split()) >= LEAST_WORDS and not _NEGATIVE.search(line)]
    return list(dict.fromkeys(asked))[:MOST_QUESTIONS]


def _when_lines(body: str) -> Iterator[str]:
    is_when = False
    for line in body.splitlines():
        if _HEADING.match(line):
            is_when = bool(_WHEN_HEADING.match(line))
        elif is_when or _WHEN_LINE.search(line):
            yield line
