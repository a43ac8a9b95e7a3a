"""Finds the name that was probably meant."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

SHOWN_NAMES = 12
COMPARED_CHARACTERS = 100


def did_you_mean(name: str, known: Collection[str]) -> str:
    """`did you mean 'x' (known: …)?`, or only the known ones where none is near."""
    ordered = sorted(known)
    if not ordered:
        return "none is known"
    listed = f"known: {', '.join(ordered[:SHOWN_NAMES])}{', …' if len(ordered) > SHOWN_NAMES else ''}"
    near = get_close_matches(name[:COMPARED_CHARACTERS], ordered, n=1)
    return f"did you mean {near[0]!r}? ({listed})" if near else listed
