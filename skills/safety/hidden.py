"""Finds characters that cannot be seen or that change the order of what is seen; real scripts and emoji need some."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import islice, pairwise

from skills.safety.passage import Passage
from storage.skill_records import Finding, Severity

_INVISIBLE = re.compile("[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2064\u206a-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a]")  # fmt: skip
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f]")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_TAGS = re.compile("[\U000e0000-\U000e007f]+")
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{2,6}\U000e007f")  # 🏴󠁧󠁢󠁥󠁮󠁧󠁿 and the like
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2,}")
_JOINERS = "\u200c\u200d"
_WORD = re.compile(r"[^\W\d_]{2,64}")
# scripts in which joiners and non-joiners spell words
_JOINING = ("ARABIC", "DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI", "ORIYA", "TAMIL", "TELUGU", "KANNADA", "MALAYALAM", "SINHALA", "MONGOLIAN", "SYRIAC", "KHMER", "MYANMAR", "THAI", "LAO", "TIBETAN", "NKO", "THAANA", "HEBREW", "JAPANESE", "HIRAGANA", "KATAKANA", "CJK", "HANGUL")  # fmt: skip
_RIGHT_TO_LEFT = ("R", "AL")
_LOOK_ALIKE_SCRIPTS = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU", "GEORGIAN")
_MOST = 20_000  # characters or words of one kind that are looked at
FEW = 3  # stray ones of an editor or of a copied page


def find_hidden(passage: Passage) -> Iterator[Finding]:
    yield from _controls(passage)
    if passage.text.isascii():
        return
    yield from _tags(passage)
    yield from _selectors(passage)
    yield from _bidi(passage)
    yield from _invisible(passage)
    yield from _mixed(passage)


def _controls(passage: Passage) -> Iterator[Finding]:
    """Escape sequences rewrite a terminal; the rest are notes."""
    if found := _CONTROL.search(passage.text):
        is_escape = "\x1b[" in passage.text or "\x1b]" in passage.text or "\x08" in passage.text
        severity: Severity = "quarantine" if is_escape else "note"
        yield passage.finding("invisible_characters", found.start(), found.start() + 40, severity)


def _tags(passage: Passage) -> Iterator[Finding]:
    text = _FLAG.sub(lambda flag: "\0" * len(flag[0]), passage.text)
    if found := _TAGS.search(text):
        yield passage.finding("tag_characters", *found.span())


def _selectors(passage: Passage) -> Iterator[Finding]:
    """Two selectors in a row mean nothing in any script."""
    found = list(_SELECTORS.finditer(passage.text))
    if found:
        hidden = sum(len(match[0]) for match in found)
        longest = max(len(match[0]) for match in found)
        yield passage.finding(
            "variation_selector_data", *found[0].span(), "quarantine" if longest >= 4 or hidden > 8 else "note"
        )


def _bidi(passage: Passage) -> Iterator[Finding]:
    """Isolates and embeddings are for text with right-to-left letters; overrides (U+202D, U+202E) for nobody."""
    if not (found := _BIDI.search(passage.text)):
        return
    override = re.search("[\u202d\u202e]", passage.text)
    has_letters = any(unicodedata.bidirectional(c) in _RIGHT_TO_LEFT for c in passage.text if "\u0590" <= c <= "\u08ff")
    severity: Severity = "quarantine" if override or not has_letters else "note"
    place = (override or found).start()
    yield passage.finding("bidi_controls", place, place + 40, severity)


def _invisible(passage: Passage) -> Iterator[Finding]:
    looked_at = islice(_INVISIBLE.finditer(passage.text), _MOST)
    places = [found.start() for found in looked_at if not _is_spelling(passage.text, found)]
    if not places:
        return
    in_words = sum(_is_inside_word(passage.text, place) for place in places)
    runs = sum(second - first == 1 for first, second in pairwise(places))
    is_serious = passage.where == "name" or in_words > FEW or runs >= 8
    yield passage.finding(
        "invisible_characters", max(0, places[0] - 10), places[0] + 40, "quarantine" if is_serious else "note"
    )


def _is_spelling(text: str, found: re.Match[str]) -> bool:
    """A byte-order mark at the start, a joiner in an emoji or between letters of scripts that use it."""
    place, character = found.start(), found[0]
    if character == "\ufeff":
        return place == 0
    before = text[place - 1] if place else " "
    after = text[place + 1] if place + 1 < len(text) else " "
    if character == "\u200d" and (_is_pictograph(before) or _is_pictograph(after)):
        return not before == after == character
    if character == "\u2800":
        return "\u2800" <= before <= "\u28ff" or "\u2800" <= after <= "\u28ff" or before == " "
    return (character in _JOINERS or character == "\u200b") and (
        _script(before) in _JOINING or _script(after) in _JOINING
    )


def _is_pictograph(character: str) -> bool:
    return unicodedata.category(character) in ("So", "Sk") or character == "\ufe0f"


def _is_inside_word(text: str, place: int) -> bool:
    return 0 < place < len(text) - 1 and text[place - 1].isalpha() and text[place + 1].isalpha()


def _mixed(passage: Passage) -> Iterator[Finding]:
    """Words of Latin letters and letters of a script that looks alike."""
    foreign = (word for word in _WORD.finditer(passage.text) if not word[0].isascii())
    mixed = [word for word in islice(foreign, _MOST) if is_mixed(word[0])]
    if passage.where == "name" and (mixed or is_mixed("".join(c for c in passage.text if c.isalpha()))):
        yield passage.finding("mixed_script_name", 0, len(passage.text))
    elif mixed:
        yield passage.finding("mixed_script_words", *mixed[0].span())


def is_mixed(word: str) -> bool:
    scripts = {_script(character) for character in word}
    return "LATIN" in scripts and bool(scripts & set(_LOOK_ALIKE_SCRIPTS)) and not _is_unit(word)


def _is_unit(word: str) -> bool:
    """`μs`, `Δx`, `Ωm`: one Greek letter at the start or the end of a short word."""
    greek = [place for place, character in enumerate(word) if _script(character) == "GREEK"]
    return len(greek) == 1 and greek[0] in (0, len(word) - 1) and word[greek[0]] in "αβγδεθλμπρσφχψωΓΔΘΛΠΣΦΨΩµτκη"


@cache
def _script(character: str) -> str:
    """The first word of the character's name: LATIN, CYRILLIC, CJK, …"""
    return unicodedata.name(character, "").partition(" ")[0]
