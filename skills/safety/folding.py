"""Folds a text to plain letters, in two strengths, and remembers where each letter stood."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

_CODES = NDArray[np.uint32]
_SIZE = 0x110000
_DROPPED = np.uint32(0xFFFFFFFF)
# where letters live that compose, or that are another style of a Latin one; kana and Hangul keep their marks
_FOLDED_RANGES = ((0x80, 0x3000), (0xFB00, 0xFB50), (0xFE00, 0xFE10), (0xFEFF, 0xFFF0), (0x1D400, 0x1D800), (0x1F100, 0x1F190), (0xE0000, 0xE1000))  # fmt: skip
SURROUNDINGS = 200  # characters: longer than any phrase
_LEET = {"0": "o", "1": "l", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g"}
_LEET_MARKS = {"@": "a", "$": "s", "!": "l", "|": "l"}


@dataclass(frozen=True)
class Folded:
    """A text in small letters without accents or invisible characters; `origin` is None where no place moved."""

    text: str
    origin: NDArray[np.int64] | None = None
    is_despaced: bool = False  # single letters with separators between them were put together
    changes: NDArray[np.int64] | None = None  # places that were disguised, in order; None: the whole text counts

    def has_change(self, start: int, end: int) -> bool:
        if self.changes is None:
            return True
        first, last = np.searchsorted(self.changes, (start, end))
        return bool(last > first)

    def place(self, index: int) -> int:
        """Of a character of the folded text, the place in the original."""
        if self.origin is None:
            return index
        return int(self.origin[min(index, len(self.origin) - 1)]) if len(self.origin) else 0


def fold(text: str) -> Folded:
    """Small letters, accents and invisible characters gone, full-width and mathematical letters made plain."""
    if text.isascii():
        return Folded(text.lower())
    codes = _plain_table()[_codes(text)]
    kept = codes != _DROPPED
    return Folded(_text(codes[kept]), None if kept.all() else np.nonzero(kept)[0])


def fold_disguises(text: str) -> Folded | None:
    """Also look-alike letters, digits for letters, letters spaced out; `i` is written `l`.

    Holds the surroundings of what was disguised and leaves the rest out. None: nothing was.
    """
    codes = _codes(text)
    looks = (_plain_table() if text.isascii() else _look_alike_table())[codes]
    origin = np.nonzero(looks != _DROPPED)[0]
    plain = _plain_table()[codes][origin]
    codes = _unleeted(looks[origin])
    joined = _joined(codes)
    is_changed = codes != plain
    is_changed[1:] |= joined[:-1]
    is_changed[:-1] |= joined[1:]
    if not is_changed.any():
        return None
    kept = ~joined & _near(is_changed)
    codes, origin, is_changed = codes[kept], origin[kept], is_changed[kept]
    codes = np.where(codes == ord("i"), np.uint32(ord("l")), codes)
    return Folded(_text(codes), origin, is_despaced=int(joined.sum()) >= 8, changes=np.nonzero(is_changed)[0])


def _near(is_changed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which characters stand at most `SURROUNDINGS` from a change."""
    steps = np.zeros(len(is_changed) + 1, dtype=np.int64)
    places = np.nonzero(is_changed)[0]
    np.add.at(steps, np.maximum(places - SURROUNDINGS, 0), 1)
    np.add.at(steps, np.minimum(places + SURROUNDINGS + 1, len(is_changed)), -1)
    return np.asarray(np.cumsum(steps[:-1]) > 0)


def skeleton(name: str) -> str:
    """What a name looks like: two names of one skeleton can be mistaken for each other (after Unicode TR39)."""
    table = _look_alike_table() if not name.isascii() else _plain_table()
    codes = table[_codes(name)]
    looks = _text(codes[codes != _DROPPED]).translate(_SKELETON_DIGITS)
    return looks.replace("rn", "m").replace("vv", "w").replace("cl", "d")


_SKELETON_DIGITS = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "5": "s"})


def _codes(text: str) -> _CODES:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _text(codes: _CODES) -> str:
    return codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


def _unleeted(codes: _CODES) -> _CODES:
    """Digits and marks to letters where a letter stands within two places; `10 rules` and `v1.2` mean what they say."""
    letters = _is_letter(codes)
    near = np.zeros(len(codes), dtype=bool)
    for distance in (1, 2):
        near[distance:] |= letters[:-distance]
        near[:-distance] |= letters[distance:]
    made = codes.copy()
    for mark, letter in _LEET.items():
        made[near & (codes == ord(mark))] = ord(letter)
    between = np.zeros(len(codes), dtype=bool)
    between[1:-1] = letters[:-2] & letters[2:]
    for mark, letter in _LEET_MARKS.items():
        made[between & (codes == ord(mark))] = ord(letter)
    return made


def _joined(codes: _CODES) -> NDArray[np.bool_]:
    """Which separators stand between two words of one letter each."""
    if len(codes) < 3:
        return np.zeros(len(codes), dtype=bool)
    letters = _is_letter(codes)
    before = np.concatenate(([False], letters[:-1]))
    after = np.concatenate((letters[1:], [False]))
    single = letters & ~before & ~after
    joined = np.zeros(len(codes), dtype=bool)
    is_separator = np.isin(codes[1:-1], np.array([ord(mark) for mark in " .-_*|/,+~"], dtype=np.uint32))
    joined[1:-1] = single[:-2] & single[2:] & is_separator
    return joined


def _is_letter(codes: _CODES) -> NDArray[np.bool_]:
    return (codes >= ord("a")) & (codes <= ord("z"))


@cache
def _plain_table() -> _CODES:
    table = np.arange(_SIZE, dtype=np.uint32)
    table[65:91] += 32
    for start, end in _FOLDED_RANGES:
        for code in range(start, end):
            table[code] = _plain(chr(code))
    return table


def _plain(character: str) -> int:
    category = unicodedata.category(character)
    if category == "Cf" or 0x300 <= ord(character) < 0x370 or 0xFE00 <= ord(character) < 0xFE10:
        return int(_DROPPED)
    if 0xE0100 <= ord(character) < 0xE01F0:
        return int(_DROPPED)
    base = unicodedata.normalize("NFKD", character)[0].lower()
    return ord(base) if len(base) == 1 else ord(character)


@cache
def _look_alike_table() -> _CODES:
    """The plain table, and for each character that Unicode's confusables pair with a Latin letter, that letter."""
    from confusable_homoglyphs.confusables import confusables_data

    table = _plain_table().copy()
    for character, twins in confusables_data.items():
        if len(character) != 1 or character.isascii() or table[ord(character)] < 0x80:
            continue
        letter = next((twin["c"] for twin in twins if twin["c"].isascii() and twin["c"].isalnum()), "")
        if len(letter) == 1 and table[ord(character)] != _DROPPED:
            table[ord(character)] = ord(letter.lower())
    for character, letter in _MISSING.items():
        table[ord(character)] = ord(letter)
    return table


# small letters whose look Unicode's table gives another way round
_MISSING = {"\u04bb": "h", "\u0432": "b", "\u043a": "k", "\u043c": "m", "\u043d": "h", "\u0442": "t", "\u04cf": "l", "\u0131": "i"}  # fmt: skip
