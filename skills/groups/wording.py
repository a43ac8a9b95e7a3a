"""Which words two skills share, and which words of a skill's body would tell it from the other one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skills.base import Skill
from skills.index.tokens import STOP_WORDS, Analyzer
from skills.index.vocabulary import NO_TERM
from skills.ranking.base import Floats, Terms

SHARED = 8  # words that are told
TELLING = 5
BODY_CHARACTERS = 8_000
LEAST_IDF = 1.5  # of a word that is proposed: one that every fifth skill has tells nothing, unless few have it
LEAST_CHARACTERS = 3  # of a word that is proposed
NumbersOf = Callable[[Iterable[str]], NDArray[np.int64]]
_WORD = re.compile(r"[^\W\d_]\w*")
_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)  # a proposal is taken from sentences, not from code


@dataclass(frozen=True, kw_only=True)
class Wording:
    """Words as they are written, the most telling first."""

    shared: tuple[str, ...]  # of both names and descriptions
    telling: tuple[str, ...]  # of the one's body: it names them nowhere else, and the other one nowhere at all


class IndexIdf:
    """How much each stem tells in an index; nothing for one that no skill has."""

    def __init__(self, terms: Terms, numbers_of: NumbersOf, count: int) -> None:
        """`count`: of the skills in the index."""
        self._terms = terms
        self._numbers_of = numbers_of
        self.least = min(LEAST_IDF, float(np.log1p(max(count - 1.5, 0.0) / 2.5)))  # that of a word in two skills

    def __call__(self, stems: Sequence[str]) -> Floats:
        numbers = self._numbers_of(stems)
        known = np.flatnonzero(numbers != NO_TERM)
        idf = np.zeros(len(stems), dtype=np.float32)
        if len(known):
            idf[known] = self._terms.idf(numbers[known].astype(np.uint32))
        return idf


class WordingReader:
    """Compares skills of one index."""

    def __init__(self, idf_of: IndexIdf) -> None:
        self._idf_of = idf_of
        self._analyzer = Analyzer()

    def compare(self, skill: Skill, other: Skill) -> Wording:
        own_head, other_head = self._stems(_head(skill)), self._stems(_head(other))
        body = _FENCE.sub(" ", skill.body[:BODY_CHARACTERS])
        own_body, other_body = self._stems(body), self._stems(other.body[:BODY_CHARACTERS])
        new = {stem: words for stem, words in own_body.items() if not {stem} & {*own_head, *other_head, *other_body}}
        shared = {stem: words for stem, words in own_head.items() if stem in other_head}
        return Wording(
            shared=tuple(self._best(shared, SHARED)),
            telling=tuple(_joined(self._best(new, 2 * TELLING, least_idf=self._idf_of.least), body)[:TELLING]),
        )

    def _stems(self, text: str) -> dict[str, Counter[str]]:
        """Each stem with the words that it was made of; whole words only."""
        found: dict[str, Counter[str]] = {}
        for word in _WORD.findall(text):
            if len(word) < LEAST_CHARACTERS or word.lower() in STOP_WORDS:
                continue
            stems = self._analyzer.terms(word)
            if stems:
                found.setdefault(stems[0], Counter())[word] += 1
        return found

    def _best(self, stems: Mapping[str, Counter[str]], most: int, *, least_idf: float = 0.0) -> list[str]:
        """By count, dampened, times idf."""
        order = sorted(stems)
        idf = self._idf_of(order)
        weight = {stem: (1 + np.log(stems[stem].total())) * idf[place] for place, stem in enumerate(order)}
        known = [stem for place, stem in enumerate(order) if idf[place] > least_idf]
        best = sorted(known, key=lambda stem: (-weight[stem], stem))[:most]
        return [min(stems[stem], key=lambda word: (-stems[stem][word], word)) for stem in best]


def _head(skill: Skill) -> str:
    return f"{skill.name} {skill.description}"


def _joined(words: Sequence[str], body: str) -> list[str]:
    """`Terraform`, `state` become `Terraform state` where the body says so more than once."""
    said, left = [], list(words)
    while left:
        word = left.pop(0)
        pairs = [(other, pair) for other in left for pair in (f"{word} {other}", f"{other} {word}")]
        other, phrase = next(((other, pair) for other, pair in pairs if body.count(pair) > 1), ("", word))
        said.append(phrase)
        left = [rest for rest in left if rest != other]
    return said
