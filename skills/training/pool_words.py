"""The words of a pool's skills and of the queries to learn from, as tables over one vocabulary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from skills.base import Skill
from skills.index.opened import Opened
from skills.index.tokens import LONGEST_TEXT, MOST_WORDS, Analyzer
from skills.progress import Progress, no_progress
from skills.ranking.base import FIELDS, FieldName, Floats, TermCounts
from skills.term_digest import term_digest
from skills.training.words_fitting import Bags, counted, table_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MOST_TERMS = 512  # different words of a query that are learned from
TEXTS_AT_ONCE = 1_000


@dataclass(frozen=True, kw_only=True)
class QueryWords:
    """One query's stems, each once, with their counts."""

    stems: tuple[str, ...]
    counts: Floats


@dataclass(frozen=True, kw_only=True)
class PoolWords:
    """Words by number: those of the index first, in its order, then those that only queries have."""

    digests: NDArray[np.uint64]
    bags: Bags
    queries: csr_matrix  # (queries, words)
    fields: dict[FieldName, TermCounts]  # of every row of the index


def query_words(texts: Sequence[str], *, on_progress: Progress = no_progress) -> list[QueryWords]:
    """As the index reads a query."""
    analyzer = Analyzer()
    found = []
    for done, text in enumerate(texts, start=1):
        count = Counter(analyzer.terms(text[:LONGEST_TEXT])[:MOST_WORDS])
        stems = tuple(sorted(count)[:MOST_TERMS])
        found.append(QueryWords(stems=stems, counts=np.array([count[stem] for stem in stems], dtype=np.float32)))
        if done % TEXTS_AT_ONCE == 0 or done == len(texts):
            on_progress(done, len(texts), "reading queries")
    return found


def pool_words(opened: Opened, skills: Sequence[Skill], queries: Sequence[QueryWords]) -> PoolWords:
    """`skills`: by row of the index."""
    known = {int(digest): number for number, digest in enumerate(opened.vocabulary.digests.tolist())}

    def numbered(words: Counter[str] | dict[str, float]) -> dict[int, float]:
        return {known.setdefault(term_digest(stem), len(known)): count for stem, count in words.items()}

    analyzer = Analyzer()
    headings = [numbered(Counter(analyzer.terms(_headings(skill.body)))) for skill in skills]
    asked = [numbered(dict(zip(words.stems, words.counts.tolist(), strict=True))) for words in queries]
    rows = np.arange(len(skills))
    fields = {name: opened.terms.field(name).of(rows) for name in FIELDS}
    tables = {name: table_of(fields[name], len(known)) for name in FIELDS}
    return PoolWords(
        digests=np.array(list(known), dtype=np.uint64),
        bags=Bags(**tables, headings=counted(headings, len(known))),
        queries=counted(asked, len(known)),
        fields=fields,
    )


def _headings(body: str) -> str:
    return "\n".join(line for line in body.splitlines() if line.lstrip().startswith("#"))
