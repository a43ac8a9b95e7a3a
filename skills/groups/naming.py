"""Names groups by the terms that tell them from their neighbours.

Class-based tf-idf (Grootendorst, "BERTopic", 2022, arXiv 2203.05794): weight of term t in group c is
tf(t, c) · log(1 + A / f(t)), with f(t) its frequency in all groups and A the average of all of a group. Here tf is the
number of the group's skills that have the term in name or description, so that nobody names a group by repeating
himself.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from skills.base import Skill
from skills.index.tokens import STOP_WORDS, Analyzer

TERMS = 8  # that are kept of a group
NAME_TERMS = 3
NAME_CHARACTERS = 48
MOST_CHARACTERS = 2_000  # of a description that are read
LEAST_SHARE = 0.1  # of a group's skills that a term of its name must stand in
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]{1,24}")
_COMMON_WORDS = """
    across agent agents also ask asked asking asks based comprehensive etc following get gets help helps include
    includes including like make makes making many may multiple must need needs new phrase phrases please provide
    provided provides skill skills specialized specific tool tools trigger triggers use used user users uses using
    various via want wants well within without
"""
_SAY_NOTHING = STOP_WORDS | frozenset(_COMMON_WORDS.split())

Terms = Mapping[str, str]  # stem to the word as it is written


class TermReader:
    """Reads the telling words of skills' names and descriptions."""

    def __init__(self) -> None:
        self._analyzer = Analyzer()
        self._word_to_stem: dict[str, str] = {}

    def terms(self, skill: Skill) -> Terms:
        """Each stem once."""
        found: dict[str, str] = {}
        for word in _WORD.findall(f"{skill.name} {skill.description[:MOST_CHARACTERS]}"):
            if stem := self._stem(word.lower()):
                found.setdefault(stem, word.lower())
        return found

    def _stem(self, word: str) -> str:
        if word not in self._word_to_stem:
            stems = [] if word in _SAY_NOTHING else self._analyzer.terms(word)
            self._word_to_stem[word] = stems[0] if stems else ""
        return self._word_to_stem[word]


def telling_terms(groups: Sequence[Sequence[Terms]]) -> list[tuple[str, ...]]:
    """For each group of skills, by their terms, its most telling words, the best first."""
    counts = [Counter(stem for terms in group for stem in terms) for group in groups]
    total = Counter[str]()
    for count in counts:
        total.update(count)
    average = sum(total.values()) / max(len(groups), 1)
    return [tuple(_telling(group, count, total, average)) for group, count in zip(groups, counts, strict=True)]


def _telling(group: Sequence[Terms], count: Counter[str], total: Counter[str], average: float) -> Iterator[str]:
    least = LEAST_SHARE * len(group)
    weight = {stem: tf * math.log1p(average / total[stem]) for stem, tf in count.items() if tf >= least}
    for stem in sorted(weight, key=lambda stem: (-weight[stem], stem))[:TERMS]:
        written = Counter(terms[stem] for terms in group if stem in terms)
        yield min(written, key=lambda word: (-written[word], word))


def group_name(terms: Sequence[str], taken: Collection[str]) -> str:
    """`helm-kubernetes-charts`; with a number behind it where another group has that name."""
    first = "-".join(terms[:NAME_TERMS])[:NAME_CHARACTERS].rstrip("-") or "others"
    name, number = first, 2
    while name in taken:
        name, number = f"{first}-{number}", number + 1
    return name


def group_description(terms: Sequence[str], count: int, examples: Sequence[str]) -> str:
    """One line: how many skills, what about, and two of them."""
    about = f" about {', '.join(terms)}" if terms else ""
    shown = " and ".join(" ".join(example.split())[:NAME_CHARACTERS] for example in examples)
    return f"{count} {'skill' if count == 1 else 'skills'}{about}; such as {shown}"
