"""Makes of any text one that a database and JSON can hold."""

from __future__ import annotations

REPLACEMENT = "\ufffd"


def storable(text: str) -> str:
    """The text with U+FFFD for each NUL and each half of a surrogate pair, which models and callers can produce."""
    if is_storable(text):
        return text
    return "".join(REPLACEMENT if _is_bad(char) else char for char in text)


def is_storable(text: str) -> bool:
    """Whether UTF-8 can write it and PostgreSQL would take it."""
    return (text.isascii() and "\x00" not in text) or not any(_is_bad(char) for char in text)


def _is_bad(char: str) -> bool:
    return char == "\x00" or "\ud800" <= char <= "\udfff"


def printable(text: str) -> str:
    """A stranger's text on one line, with invisible and control characters written out, for a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
