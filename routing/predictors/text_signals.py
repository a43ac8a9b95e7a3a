"""Numbers that cost next to nothing and that an embedding does not hold: size, marks, structure, how parts relate.

Many queries have a head (what is asked) and a rest (options, functions, code, a passage): how many items the rest has,
and how the head's words and literals cover them, tells kinds of work apart that read alike.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from routing.forecasts import Matrix

MAX_CHARACTERS = 3_000  # later ones are only counted
MAX_ITEMS = 20  # of the rest that are compared with the head
STEM = 5  # letters of a word that are compared
MARKS = "({\\$?,\"'=_"

DIGIT = re.compile(r"\d")
CAPITAL = re.compile(r"[A-Z]")
NUMBER = re.compile(r"\d+\.?\d*")
FREE_NUMBER = re.compile(r"(?<![A-Za-z])\d+(?:\.\d+)?")
OPTION = re.compile(r"^[A-J]\. ", re.MULTILINE)
ITEM = re.compile(r"\s*(?:[-*]|\(?[A-Ja-j0-9]{1,2}[.)])\s")
SIGNATURE = re.compile(r"\s*[-*]\s*([\w.]+)\(([^)]*)\)")
WORD_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
QUOTED = re.compile(r"'[^']+'|\"[^\"]+\"|`[^`]+`")
SENTENCE_END = re.compile(r"[.?!](?:\s|$)")
LINKING = re.compile(r"\b(?:and|also|then|both|each)\b")
CHAINING = re.compile(
    r"\b(?:and|also|then|both|each|additionally|respectively|another|second|finally|next|lastly|too|as well)\b",
    re.IGNORECASE,
)
PROPER_NOUN = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+")
COMMAND = re.compile(r"\s*[A-Z][a-z]+ (?:the|a|an|all|me)\b")
COMMON = (
    "the and for with that this from are was what which how can you your has have not given find get calculate returns"
    " return using use all any its into per will then than also each both between about when where who please could"
    " would"
)
STOP_WORDS = frozenset(COMMON.split())
NO_STEM = frozenset([""])
REMEMBERED_WORDS = 32_768  # some 4 MB; most words of a text are common ones


def text_signals(texts: Sequence[str]) -> Matrix:
    """Texts × `SIGNAL_COUNT`; counts as logarithms, the rest as shares or 0 and 1."""
    rows = [[*_surface(text), *_relations(text)] for text in texts]
    return np.array(rows, dtype=np.float64).reshape(len(texts), SIGNAL_COUNT)


def _surface(text: str) -> list[float]:
    read = text[:MAX_CHARACTERS]
    lines, words = read.split("\n"), read.split()
    size, digits = max(1, len(read)), len(DIGIT.findall(read))
    counts = [
        len(text),
        len(words),
        len(lines),
        sum(line.startswith("- ") for line in lines),
        digits,
        *(read.count(mark) for mark in MARKS),
        read.count(". "),
        len(LINKING.findall(read)),
        len(NUMBER.findall(read)),
        len(lines[0]),
        max(map(len, lines)),
        len(OPTION.findall(read)),
    ]
    shares = [
        digits / size,
        sum(map(len, words)) / len(words) / 10 if words else 0.0,
        len(CAPITAL.findall(read)) / size,
    ]
    return [*map(math.log1p, counts), *shares]


def _relations(text: str) -> list[float]:
    """Of the head to the items of the rest: shared words, arguments against literals, how many things are asked."""
    head, rest = _parted(text[:MAX_CHARACTERS])
    lines = [line for line in rest.split("\n") if line.strip()]
    items = [line for line in lines if ITEM.match(line)] or lines
    asked = _stems(head)
    covers, names, arguments = _compared(asked, items[:MAX_ITEMS])
    there = _stems(rest)
    shared = len(asked & there)
    numbers = len(FREE_NUMBER.findall(head))
    literals = numbers + len(QUOTED.findall(head))
    proper = len(PROPER_NOUN.findall(head))
    is_single = float(len(items) == 1)
    return [
        *map(
            math.log1p,
            [
                len(head), len(rest), len(items), arguments, numbers, literals, proper, len(CHAINING.findall(head)),
                len(SENTENCE_END.findall(head)), head.count(","), head.count("?"), sum(map(str.isupper, head.split())),
            ],
        ),
        math.log1p(literals) - math.log1p(arguments),
        math.log1p(literals + proper) - math.log1p(arguments),
        covers[0],
        covers[1],
        shared / max(1, len(asked)),
        shared / max(1, len(there)),
        names[0],
        names[1],
        float(sum(share > 0.3 for share in names)),
        sum(names) / max(1, len(names) - 2),
        float("I" in head.split()[:12]),
        float(COMMAND.match(head) is not None),
        is_single,
        float(names[0] == 0),
        covers[0] * is_single,
        names[0] * is_single,
    ]  # fmt: skip


def _parted(text: str) -> tuple[str, str]:
    """At the first empty line, else at the first line break."""
    place = text.find("\n\n")
    place = text.find("\n") if place < 0 else place
    return (text, "") if place < 0 else (text[:place], text[place:])


def _compared(asked: frozenset[str], items: Iterable[str]) -> tuple[list[float], list[float], int]:
    """What share of the head's words each item has, what share of each function's name the head has (both from the
    highest down, two zeros at the end), and how many arguments the functions take."""
    covers, names, arguments = [], [], 0
    for item in items:
        covers.append(len(asked & _stems(item)) / max(1, len(asked)))
        if signature := SIGNATURE.match(item):
            name = _stems(signature.group(1))
            names.append(len(asked & name) / max(1, len(name)))
            arguments += signature.group(2).count(",") + 1 if signature.group(2) else 0
    return [*sorted(covers, reverse=True), 0.0, 0.0], [*sorted(names, reverse=True), 0.0, 0.0], arguments


def _stems(text: str) -> frozenset[str]:
    """The beginnings of the words, also of those inside `camelCase` and `snake_case`."""
    return frozenset(map(_stem, WORD_PART.findall(text))) - NO_STEM


@lru_cache(maxsize=REMEMBERED_WORDS)
def _stem(word: str) -> str:
    """Empty for a word that says nothing."""
    lower = word.lower()
    return "" if len(lower) < 3 or lower in STOP_WORDS else lower[:STEM]


SURFACE_COUNT = len(_surface("a"))
SIGNAL_COUNT = SURFACE_COUNT + len(_relations("a"))
