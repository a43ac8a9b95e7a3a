"""Turns a text into search terms: lower-case English stems, identifiers split, stop words dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

VERSION = 1  # of what a text's terms are; stands in the index's settings
LONGEST_WORD = 40  # characters; longer runs are keys, digests and base64, which no query names
SHORTEST_PART = 2  # characters of a part of an identifier: the x of m33x says nothing
LONGEST_TEXT = 24_000  # characters of a query that are read
MOST_WORDS = 4_096  # of a query

# An inner capital is where an identifier is split: HTTPServer is http and server, convertUnits convert and units.
_WORD = re.compile(r"[^\W_]+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_UNSPACED = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2,}"
)  # written without spaces: pairs stand for words

_FUNCTION_WORDS = """
    a about above after again all also am an and any are aren as at be because been before being below between both but
    by can could d did do does doing don down during each few for from further had has have having he her here hers him
    his how i if in into is isn it its itself just ll m me more most my no nor not now of off on once only or other our
    out over own re s same she should so some such t than that the their them then there these they this those through
    to too under until up ve very was we were what when where which while who whom why will with would you your yours
"""
STOP_WORDS = frozenset(_FUNCTION_WORDS.split())


class Analyzer:
    """Remembers what each written word became, for one thread: most words of a pool come many times."""

    def __init__(self) -> None:
        import Stemmer as Snowball

        self._stem = Snowball.Stemmer("english", 0).stemWord
        self._word_to_terms: dict[str, tuple[str, ...]] = {}

    def terms(self, text: str) -> list[str]:
        """In the order of the text, repeated as often as there."""
        known = self._word_to_terms
        found: list[str] = []
        for word in _WORD.findall(text):
            terms = known.get(word)
            if terms is None:
                terms = known[word] = tuple(self._of_word(word))
            found.extend(terms)
        return found

    def _of_word(self, word: str) -> Iterator[str]:
        if len(word) > LONGEST_WORD:
            return
        if _UNSPACED.search(word):
            yield from _pairs(word)
            return
        parts = [part.lower() for part in _PART.findall(word) if len(part) >= SHORTEST_PART]
        for part in dict.fromkeys([word.lower(), *parts]):
            if part not in STOP_WORDS:
                yield self._stem(part)


def _pairs(word: str) -> Sequence[str]:
    return [word[place : place + 2] for place in range(len(word) - 1)]
