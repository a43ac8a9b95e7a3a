"""Finds text written to be found: repeated terms, lists of unrelated terms, heaps of triggers, names of other skills."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from skills.safety.impersonation import KnownNames
from skills.safety.passage import Passage
from storage.skill_records import Finding

WINDOW = 120  # words that are counted together, so that a clean beginning does not hide a stuffed end
SHORTEST = 12  # words; below, repetition says nothing
_LONGEST = 1_000_000  # characters that are read
_WORD = re.compile(r"[^\W\d_]{2,30}")
_FUNCTION_WORDS = frozenset(["a", "an", "and", "any", "are", "as", "at", "be", "by", "can", "do", "each", "for", "from", "has", "have", "how", "if", "in", "into", "is", "it", "its", "may", "more", "must", "no", "not", "of", "on", "one", "only", "or", "other", "our", "so", "such", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this", "to", "use", "used", "uses", "using", "was", "we", "what", "when", "where", "which", "who", "will", "with", "without", "you", "your"])  # fmt: skip
# a window may hold one term this often, and this share of word triples said before; both seldom seen in real skills
SHARE_FREE, SHARE_FULL = 0.18, 0.40
PHRASE_FREE, PHRASE_FULL = 0.45, 0.85
_HEADING_WINDOW = 60  # content words
# of 18,000 real descriptions none reaches the middle of either
SAID_FREE, SAID_FULL = 0.62, 0.76
TRIPLES_FREE, TRIPLES_FULL = 0.4, 0.6
LIST_FREE, LIST_FULL = 40, 120  # terms in one line, separated by commas and the like
_ITEM_SPLIT = re.compile(r"[,;|/•·、，；]")
_ITEM = re.compile(r"[ \t*_\"'`“”#-]{0,6}[^\W\d_][\w+#.-]{0,24}(?: [\w+#.&-]{1,24}){0,2}[ \t*_\"'`“”.]{0,6}")
_QUOTED = re.compile(r"[\"“「][^\"”」\n]{4,80}[\"”」]")
MANY_TRIGGERS = 100
_NAME = re.compile(r"[a-z0-9]{2,30}(?:-[a-z0-9]{1,30}){1,6}")
MANY_NAMES = 6  # of other skills in a description
_OFF_BODY = 8  # content words of a description of which none is in the body


@dataclass(frozen=True, kw_only=True)
class Stuffing:
    """How far a text is from what real skills do; the penalty is the worst of three parts."""

    term_share: float  # of the most frequent term in its worst window
    phrase_share: float  # of word triples in a window that it said before
    list_length: int  # distinct terms in the longest line of terms
    penalty: float  # in [0, 1]; 0 for nearly all real skills


def stuffing_penalty(text: str) -> float:
    """In [0, 1]: 0 for ordinary prose, 1 for a text that repeats or lists terms to be found. Linear time.

    The largest of three excesses, each 0 up to its `FREE` bound and 1 from its `FULL` bound: the share of one term in a
    window of 120 words, the share of repeated word triples in it, the number of terms listed in one line.
    """
    return measure_stuffing(text).penalty


def heading_penalty(text: str) -> float:
    """In [0, 1], of a name and description: an honest body under them hides no repetition from this one.

    The larger of two excesses over what real descriptions have: the share of content words that a window of 60 said
    before, whatever their order, and the share of word triples said before.
    """
    content = [word for word in _WORD.findall(text[:_LONGEST].lower()) if word not in _FUNCTION_WORDS]
    said = 0.0
    for start in range(0, max(1, len(content) - _HEADING_WINDOW // 2), _HEADING_WINDOW // 2):
        window = content[start : start + _HEADING_WINDOW]
        said = max(said, (len(window) - len(set(window))) / max(len(window), 2 * SHORTEST))
    phrases = measure_stuffing(text).phrase_share
    return max(_excess(said, SAID_FREE, SAID_FULL), _excess(phrases, TRIPLES_FREE, TRIPLES_FULL))


def measure_stuffing(text: str) -> Stuffing:
    text = text[:_LONGEST].lower()
    words = _WORD.findall(text)
    term_share, phrase_share = _window_shares(words)
    list_length = _longest_list(text)
    parts = (
        _excess(term_share, SHARE_FREE, SHARE_FULL),
        _excess(phrase_share, PHRASE_FREE, PHRASE_FULL),
        _excess(list_length, LIST_FREE, LIST_FULL),
    )
    return Stuffing(term_share=term_share, phrase_share=phrase_share, list_length=list_length, penalty=max(parts))


def find_stuffing(passage: Passage) -> Iterator[Finding]:
    """In a description or a body. Code repeats itself by nature and is left to the penalty."""
    found = measure_stuffing(_without_code(passage.text))
    bounds = DESCRIPTION_BOUNDS if passage.where == "description" else BODY_BOUNDS
    if found.term_share >= bounds.term_share or found.phrase_share >= bounds.phrase_share:
        yield passage.finding("repeated_terms", 0, 80)
    if found.list_length >= bounds.list_length:
        yield passage.finding("term_list", 0, 80)
    quoted = {match[0] for match in _QUOTED.finditer(passage.lowered) if " " in match[0]}
    if len(quoted) >= bounds.triggers:
        yield passage.finding("many_triggers", 0, 80)


@dataclass(frozen=True, kw_only=True)
class _Bounds:
    term_share: float
    phrase_share: float
    list_length: int
    triggers: int


DESCRIPTION_BOUNDS = _Bounds(term_share=0.36, phrase_share=0.5, list_length=60, triggers=40)
BODY_BOUNDS = _Bounds(term_share=0.5, phrase_share=0.92, list_length=100, triggers=MANY_TRIGGERS)


def _without_code(text: str) -> str:
    """Without what stands between pairs of fences."""
    pieces = re.split(r"^[ \t]{0,8}(?:```|~~~).{0,80}$", text, flags=re.MULTILINE)
    return "\n".join(piece for place, piece in enumerate(pieces) if place % 2 == 0 or place == len(pieces) - 1)


def find_off_body(description: Passage, body: Passage) -> Iterator[Finding]:
    """A description of at least eight content words that shares none with a body of the same script."""
    words = _content(description.lowered)
    if len(words) >= _OFF_BODY and len(body.text) >= 200 and description.text.isascii() == body.text.isascii():
        stems = {word[:5] for word in _content(body.lowered)}
        if not any(word[:5] in stems for word in words):
            yield description.finding("description_off_body", 0, 80)


def find_other_names(description: Passage, known: KnownNames, own: str) -> Iterator[Finding]:
    named = {name for name in _NAME.findall(description.lowered) if name in known.names and name != own}
    if len(named) >= MANY_NAMES:
        place = description.lowered.find(min(named, key=description.lowered.find))
        yield description.finding("other_skills_named", place, place + 80)


def _content(lowered: str) -> set[str]:
    return {word for word in _WORD.findall(lowered) if word not in _FUNCTION_WORDS and len(word) > 2}


def _window_shares(words: list[str]) -> tuple[float, float]:
    """The largest share of one content term, and of repeated triples, over windows that overlap by half."""
    if len(words) < SHORTEST:
        return 0.0, 0.0
    word_to_id: dict[str, int] = {}
    ids = np.array([-1 if word in _FUNCTION_WORDS else word_to_id.setdefault(word, len(word_to_id)) for word in words])
    share = phrase = 0.0
    for start in range(0, max(1, len(ids) - WINDOW // 2), WINDOW // 2):
        window = ids[start : start + WINDOW]
        content = window[window >= 0]
        if len(content) < SHORTEST:
            continue
        share = max(share, float(np.unique(content, return_counts=True)[1].max()) / max(len(window), 2 * SHORTEST))
        triples = (content[:-2] * 4_000_003 + content[1:-1]) * 4_000_003 + content[2:]
        phrase = max(phrase, (len(triples) - len(np.unique(triples))) / max(len(triples), 2 * SHORTEST))
    return share, phrase


def _longest_list(text: str) -> int:
    longest = 0
    for line in text.split("\n"):
        if len(line) < 3 * LIST_FREE or max(map(line.count, ",;|/•·、，；")) < LIST_FREE:
            continue
        run: set[str] = set()
        for piece in _ITEM_SPLIT.split(line):
            if _ITEM.fullmatch(piece):
                run.add(piece.strip(" \t*_\"'`“”#-."))
                longest = max(longest, len(run))
            else:
                run = set()
    return longest


def _excess(value: float, free: float, full: float) -> float:
    return min(1.0, max(0.0, (value - free) / (full - free)))
