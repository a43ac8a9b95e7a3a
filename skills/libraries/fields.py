"""Checks the fields of a skill that somebody else wrote: what a catalogue can hold; what they say is for the scan."""

from __future__ import annotations

import re

from skills.errors import SkillRefused

MAX_BODY_BYTES = 256 * 1024
MAX_NAME_CHARACTERS = 200
MAX_DESCRIPTION_CHARACTERS = 4096
MAX_ID_CHARACTERS = 400
MAX_LINE_CHARACTERS = 1000  # of a licence and a source
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


def checked_line(value: object, what: str, *, limit: int, may_be_empty: bool = False) -> str:
    """The value as one line of at most `limit` characters. Raises SkillRefused, naming the field by `what`."""
    if value is None and may_be_empty:
        return ""
    if not isinstance(value, str):
        raise SkillRefused(f"The {what} is {_kind(value)}, not text.")
    if not value.strip() and not may_be_empty:
        raise SkillRefused(f"The {what} is empty.")
    if len(value) > limit:
        raise SkillRefused(f"The {what} has {len(value)} characters; {limit} are the most.")
    if _CONTROL.search(value):
        raise SkillRefused(f"The {what} {value!r:.80} holds a line break or control character.")
    return value


def checked_text(value: object, what: str, *, limit_bytes: int = MAX_BODY_BYTES) -> str:
    """The value as text of at most `limit_bytes` of UTF-8; nothing where it is missing. Raises SkillRefused."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise SkillRefused(f"The {what} is {_kind(value)}, not text.")
    try:
        encoded = value[: limit_bytes + 1].encode()
    except UnicodeEncodeError as exc:
        raise SkillRefused(f"The {what} holds half a character at {exc.start}: it is not text.") from exc
    if len(encoded) > limit_bytes:
        raise SkillRefused(f"The {what} has more than {limit_bytes} bytes; shorten it or split the skill.")
    if "\0" in value:
        raise SkillRefused(f"The {what} holds a NUL character at {value.index(chr(0))}: it is not text.")
    return value


def on_one_line(text: str, *, limit: int = MAX_DESCRIPTION_CHARACTERS) -> str:
    """White space folded, clipped with a mark: for descriptions that are written for people and may be long."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _kind(value: object) -> str:
    return "missing" if value is None else f"of type {type(value).__name__}"
