"""Finds the few skills whose text fits a query (BM25: Robertson and Zaragoza, 2009; in Lucene's form)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from skills.base import Skill, SkillHit

if TYPE_CHECKING:
    from bm25s import BM25

BODY_CHARACTERS = 2500  # of a skill's body that are indexed; what follows is mostly examples
QUERY_CHARACTERS = 10_000
DEFAULT_TOP = 10


class SkillIndex:
    """A BM25 index over name, description and body, with English stop words and stems."""

    def __init__(self, names: Sequence[str], bm25: BM25 | None, stemmer: Any) -> None:
        self.names = tuple(names)
        self._bm25 = bm25
        self._stemmer = stemmer

    @classmethod
    def build(cls, skills: Sequence[Skill]) -> SkillIndex:
        """Blocking: about a second for ten thousand skills."""
        from bm25s import BM25
        from Stemmer import Stemmer

        stemmer = Stemmer("english")
        documents = [_tokens(_text(skill), stemmer) for skill in skills]
        if not any(documents):
            return cls([skill.name for skill in skills], None, stemmer)
        bm25 = BM25(method="lucene", backend="numpy")
        bm25.index(documents, show_progress=False)
        return cls([skill.name for skill in skills], bm25, stemmer)

    def search(self, text: str, *, top: int = DEFAULT_TOP) -> list[SkillHit]:
        """The best `top` skills with a score above zero, best first; equal scores in the order of the build."""
        if top < 1:
            raise ValueError(f"top is {top}; ask for at least 1.")
        tokens = _tokens(text[:QUERY_CHARACTERS], self._stemmer)
        if self._bm25 is None or not tokens:
            return []
        scores = [float(score) for score in self._bm25.get_scores(tokens)]
        best = sorted((place for place, score in enumerate(scores) if score > 0), key=lambda place: -scores[place])
        return [
            SkillHit(name=self.names[place], rank=rank, score=scores[place])
            for rank, place in enumerate(best[:top], start=1)
        ]


def _text(skill: Skill) -> str:
    return f"{skill.name}\n{skill.description}\n{skill.body[:BODY_CHARACTERS]}"


def _tokens(text: str, stemmer: Any) -> list[str]:
    """Words without stop words, stemmed; `convert_units` and `convertUnits` are two words each."""
    from bm25s import tokenize

    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text.replace("_", " "))
    tokens: list[list[str]] = tokenize(
        apart, stopwords="english", stemmer=stemmer, return_ids=False, show_progress=False
    )
    return tokens[0]
