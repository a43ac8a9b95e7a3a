"""Writes invisible and direction-changing characters out, so that terminals and tables show what is there."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

# of general category Cf, Co, Cs, Zl and Zp, the variation selectors, fillers without ink, and controls but \n and \t
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
_KEPT = "\n\t"


def visible(text: str) -> str:
    r"""`a\u200bb` becomes `a⟨U+200B⟩b`; emoji sequences stay whole. Linear in the text's length."""
    if text.isascii() and text.isprintable():
        return text
    return _hidden().sub(_written, text)


def excerpt_of(text: str, start: int, end: int, *, limit: int = 80) -> str:
    """A match on one line, invisible characters written out, of at most `limit` characters."""
    shown = visible(" ".join(text[start : min(end, start + 2 * limit)].split()))
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


@cache
def _hidden() -> re.Pattern[str]:
    codes = [*range(0x3100), 0x3164, *range(0xFE00, 0xFE10), 0xFEFF, *range(0xFFA0, 0xFFA1), *range(0xFFF9, 0xFFFC)]
    hidden = "".join(re.escape(chr(code)) for code in codes if _is_hidden(chr(code)))
    joined = (
        "[\u2600-\u27bf\U0001f000-\U0001faff](?:\ufe0f?(?:\u200d[\u2600-\u27bf\u2190-\u21ff\U0001f000-\U0001faff])?)+"
    )
    return re.compile(
        f"(?P<emoji>{joined})|[{hidden}\ud800-\udfff\U000110bd\U0001bca0-\U0001bca3\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
    )


def _is_hidden(character: str) -> bool:
    if character in _KEPT:
        return False
    return (
        character in _FILLERS
        or "\ufe00" <= character <= "\ufe0f"
        or unicodedata.category(character) in _HIDDEN_CATEGORIES
    )


def _written(match: re.Match[str]) -> str:
    if match["emoji"]:
        return match[0]
    return f"⟨U+{ord(match[0]):04X}⟩"
