"""Reads the options of verifiers, which settings and callers write: each checked by itself, with its name."""

from __future__ import annotations

import math
from collections.abc import Sequence

from orchestrator.texts import is_storable
from storage.errors import InvalidInput

MOST_TEXT = 10_000  # characters


def number(value: object, name: str, *, least: float = -math.inf, most: float = math.inf) -> float:
    """A finite number within its bounds. Raises InvalidInput, as all of these do."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InvalidInput(f"{name} is {value!r:.80}; a number would be right.", field=name)
    try:
        found = float(value)
    except (ValueError, OverflowError) as exc:
        raise InvalidInput(f"{name} is {value!r:.80}; a number would be right.", field=name) from exc
    if not math.isfinite(found) or not least <= found <= most:
        raise InvalidInput(f"{name} is {found}; it must lie between {least:g} and {most:g}.", field=name)
    return found


def text(value: object, name: str, *, most: int = MOST_TEXT) -> str:
    """Some text, not too long."""
    if not isinstance(value, str) or not value.strip() or not is_storable(value):
        raise InvalidInput(f"{name} is {value!r:.80}; some plain text would be right.", field=name)
    if len(value) > most:
        raise InvalidInput(f"{name} has {len(value)} characters; at most {most} are taken.", field=name)
    return value


def texts(value: object, name: str, *, most: int = 100) -> tuple[str, ...]:
    """A list of texts; it may be empty."""
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) > most:
        raise InvalidInput(f"{name} is {value!r:.80}; a list of at most {most} texts would be right.", field=name)
    return tuple(text(each, name) for each in value)


def flag(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput(f"{name} is {value!r:.80}; true or false would be right.", field=name)
    return value
