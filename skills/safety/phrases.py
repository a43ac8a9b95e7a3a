"""Phrases as patterns in linear time: bounded gaps, run only where a needed word occurs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice

from skills.safety.folding import Folded
from skills.safety.passage import Passage

_Groups = tuple[tuple[str, ...], ...]
_GAP = r"[\s\W_]{1,10}"
_WORD = r"[^\W_]{1,20}"
_REACH = 200  # characters that a phrase stretches from a needed word
_MOST = 200  # matches looked at; a text with more is hostile anyway
_TO_L = str.maketrans("i", "l")


@dataclass(frozen=True)
class Phrase:
    """A pattern over folded text: a space is a gap of up to ten marks, `<n>` up to n words between."""

    rule: str
    needs: _Groups  # of each group one stands in every match; folded, no gaps inside
    pattern: str
    is_bounded: bool = True  # begins and ends with a whole word; scripts without spaces do not

    @cached_property
    def plain(self) -> re.Pattern[str]:
        return self._compiled(self.pattern)

    @cached_property
    def disguised(self) -> re.Pattern[str]:
        return self._compiled(self.pattern.translate(_TO_L))

    @cached_property
    def despaced(self) -> re.Pattern[str]:
        """For a text that lost the gaps between its words too."""
        pieces = (
            r"[^\n]{0,24}?"
            if piece[1]
            else r"[\s\W_]{0,10}"
            if piece[0] == " "
            else "(?:[\\s\\W_]{0,10})"
            if piece[0] == " ?"
            else piece[0]
            for piece in _PIECE.finditer(self.pattern.translate(_TO_L))
        )
        return re.compile("".join(pieces))

    def _compiled(self, pattern: str) -> re.Pattern[str]:
        source = "".join(_expanded(piece) for piece in _PIECE.finditer(pattern))
        return re.compile(rf"\b(?:{source})\b" if self.is_bounded else source)


_PIECE = re.compile(r" <(\d+)> | \?| |[^ ]+?(?= |$)")


def _expanded(piece: re.Match[str]) -> str:
    if piece[1]:
        return f"(?:{_GAP}{_WORD}){{0,{piece[1]}}}{_GAP}"
    return {" ": _GAP, " ?": f"(?:{_GAP})?"}.get(piece[0], piece[0])


@dataclass(frozen=True)
class Match:
    rule: str
    start: int
    end: int
    is_disguised: bool


class Phrases:
    """Many phrases, of which only those run whose needed words occur."""

    def __init__(self, phrases: tuple[Phrase, ...]) -> None:
        self._phrases = phrases

    def matches(self, passage: Passage) -> Iterator[Match]:
        """In the plain text, and where letters were disguised, in the text behind the disguise."""
        yield from self._in(passage.folded, is_disguised=False)
        if passage.disguises is not None:
            yield from self._in(passage.disguises, is_disguised=True)

    def _in(self, folded: Folded, *, is_disguised: bool) -> Iterator[Match]:
        has, count = cache(folded.text.__contains__), cache(folded.text.count)
        for phrase, groups in zip(
            self._phrases, self._disguised_needs if is_disguised else self._plain_needs, strict=True
        ):
            if all(any(map(has, group)) for group in groups):
                rarest = min(groups, key=lambda group: sum(map(count, group)))
                yield from _found(phrase, folded, [word for word in rarest if has(word)], is_disguised)

    @cached_property
    def _plain_needs(self) -> list[_Groups]:
        return [phrase.needs for phrase in self._phrases]

    @cached_property
    def _disguised_needs(self) -> list[_Groups]:
        return [tuple(tuple(word.translate(_TO_L) for word in g) for g in phrase.needs) for phrase in self._phrases]


def _found(phrase: Phrase, folded: Folded, words: list[str], is_disguised: bool) -> Iterator[Match]:
    """Around the needed words; of a disguise, only what holds a letter that was disguised."""
    windows = _windows(folded.text, words)
    patterns = [phrase.disguised] if is_disguised else [phrase.plain]
    if folded.is_despaced:
        patterns.append(phrase.despaced)
    for pattern in patterns:
        everywhere = (found for start, end in windows for found in pattern.finditer(folded.text, start, end))
        for found in islice(everywhere, _MOST):
            if not folded.has_change(*found.span()):
                continue
            start, end = folded.place(found.start()), folded.place(found.end() - 1) + 1
            yield Match(phrase.rule, start, end, is_disguised)


def _windows(text: str, words: list[str]) -> list[tuple[int, int]]:
    """Pieces of the text around every occurrence of the words, none overlapping another."""
    places = sorted(found.start() for word in words for found in re.finditer(re.escape(word), text))
    windows: list[tuple[int, int]] = []
    for place in places:
        start, end = max(0, place - _REACH), place + _REACH
        if windows and start <= windows[-1][1]:
            windows[-1] = (windows[-1][0], end)
        else:
            windows.append((start, end))
    return windows
