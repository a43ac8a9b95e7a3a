"""Turns what a skill returned into short text for a model to read."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from datetime import date
from decimal import Decimal
from math import isfinite

from skills.errors import SkillFailed

RESULT_CHARACTERS = 4000  # about a thousand tokens
SIGNIFICANT_DIGITS = 12  # what survives of a float's 15 to 17
PLAIN_FROM, PLAIN_BELOW = 1e-6, 1e15  # between them a number is written without exponent
MAX_BITS = 13_000  # of a whole number that is written out; Python itself refuses above 4,300 digits


def result_text(value: object) -> str:
    """Whole numbers without a point, lists and records as JSON, all cut at RESULT_CHARACTERS with a note.

    Raises SkillFailed for what JSON cannot hold.
    """
    text = _text(value)
    if len(text) <= RESULT_CHARACTERS:
        return text
    return f"{text[:RESULT_CHARACTERS]}… (cut after {RESULT_CHARACTERS} characters)"


def number_text(value: float, *, digits: int = SIGNIFICANT_DIGITS) -> str:
    """`391`, not `391.0`; at most `digits` significant digits; no exponent where a person would write none."""
    if isinstance(value, int):
        return str(value) if value.bit_length() <= MAX_BITS else f"a whole number of {value.bit_length()} bits"
    short = f"{value:.{digits}g}"
    if value == 0:
        return "0"
    if not isfinite(value) or not PLAIN_FROM <= abs(value) < PLAIN_BELOW:
        return short
    plain = f"{Decimal(short):f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    return _bounded_json(value)


def _bounded_json(value: object) -> str:
    """JSON written piece by piece, so that a small value that refers to itself many times cannot fill the memory."""
    pieces: list[str] = []
    length = 0
    try:
        for piece in json.JSONEncoder(ensure_ascii=False, default=str).iterencode(value):
            pieces.append(piece)
            length += len(piece)
            if length > RESULT_CHARACTERS:
                break
    except (TypeError, ValueError, RecursionError) as exc:
        raise SkillFailed(f"The skill's result cannot be written as JSON: {exc}.") from exc
    return "".join(pieces)
