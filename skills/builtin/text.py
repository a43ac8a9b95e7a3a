"""Counting and rearranging letters and words, which language models see only as tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

MAX_CHARACTERS = 20_000


@dataclass(frozen=True, kw_only=True)
class TextStats:
    """Counts of one text."""

    characters: int
    letters: int
    words: int
    lines: int


def text_stats(text: str) -> TextStats:
    """Count the characters, letters, words and lines of a text."""
    _refuse_long(text)
    letters = sum(character.isalpha() for character in text)
    return TextStats(characters=len(text), letters=letters, words=len(text.split()), lines=len(text.splitlines()))


def count_letter(text: str, letter: str) -> int:
    """Count how often a letter (or a longer piece) occurs in a text; capital or small does not matter."""
    _refuse_long(text)
    if not letter:
        raise ValueError("letter is empty; give the letter to count.")
    return text.casefold().count(letter.casefold())


def reverse_text(text: str) -> str:
    """Write a text backwards, letter by letter."""
    _refuse_long(text)
    return text[::-1]


def sort_letters(text: str) -> str:
    """Put the letters of a text into alphabetical order; everything else is left out."""
    _refuse_long(text)
    return "".join(sorted((character for character in text if character.isalpha()), key=str.casefold))


def change_case(text: str, case: Literal["upper", "lower", "title"]) -> str:
    """Write a text in upper, lower or title case."""
    _refuse_long(text)
    if case == "upper":
        return text.upper()
    return text.lower() if case == "lower" else text.title()


def nth_word(text: str, n: int) -> str:
    """Find the n-th word of a text; the first is 1, the last is -1."""
    _refuse_long(text)
    words = re.findall(r"\w+(?:['’-]\w+)*", text)
    if not 1 <= abs(n) <= len(words):
        raise ValueError(f"n is {n}; the text has {len(words)} words.")
    return str(words[n - 1 if n > 0 else n])


def _refuse_long(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"the text has {len(text)} characters; at most {MAX_CHARACTERS} are read.")
