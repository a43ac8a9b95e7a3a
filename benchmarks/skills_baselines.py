"""What every search for skills is held against: BM25 by a library of its own, and exact search among vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.skills_measures import DEEP
from skills.base import Skill
from skills.index.index import SkillIndex
from skills.ranking.base import Floats

K1, B = 1.5, 0.75
QUERIES_AT_ONCE = 256
ROWS_AT_ONCE = 4_096


def bm25(pool: Sequence[Skill], texts: Sequence[str], *, with_bodies: bool, top: int = DEEP) -> list[list[str]]:
    """Ids, best first, by the library bm25s with Snowball stems and its English stop words."""
    import bm25s
    import Stemmer

    stemmer = Stemmer.Stemmer("english")
    documents = [
        f"{skill.name} {skill.description} {skill.body if with_bodies else ''}".replace("-", " ") for skill in pool
    ]
    index = bm25s.BM25(k1=K1, b=B)
    index.index(bm25s.tokenize(documents, stopwords="en", stemmer=stemmer, show_progress=False), show_progress=False)
    asked = bm25s.tokenize(list(texts), stopwords="en", stemmer=stemmer, show_progress=False)
    places, scores = index.retrieve(asked, k=min(top, len(pool)), show_progress=False, n_threads=0)
    return [
        [pool[int(place)].skill_id for place, score in zip(row, points, strict=True) if score > 0]
        for row, points in zip(places, scores, strict=True)
    ]


def dense(index: SkillIndex, vectors: Floats, *, windows: bool, top: int = DEEP) -> list[list[str]]:
    """Ids by cosine, every skill compared: of `name: description`, or of whichever vector of a skill is nearest.

    `vectors` (queries, dimension).
    """
    arrays = index.arrays
    rows = np.array(sorted(arrays.id_to_row.values()), dtype=np.int64)
    found: list[list[str]] = []
    for first in range(0, len(vectors), QUERIES_AT_ONCE):
        queries = vectors[first : first + QUERIES_AT_ONCE]
        scores = np.hstack(
            [
                _nearest(queries, arrays.vectors.of(rows[some : some + ROWS_AT_ONCE]), windows=windows)
                for some in range(0, len(rows), ROWS_AT_ONCE)
            ]
        )
        best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
        found += [[arrays.cards[row].skill_id for row in rows[places].tolist()] for places in best]
    return found


def _nearest(queries: Floats, vectors: Floats, *, windows: bool) -> Floats:
    """(queries, skills). `vectors` (skills, 1 + windows, dimension)."""
    if not windows:
        return np.asarray(queries @ vectors[:, 0].T, dtype=np.float32)
    flat = queries @ vectors.reshape(-1, vectors.shape[2]).T
    return np.asarray(flat.reshape(len(queries), *vectors.shape[:2]).max(axis=2), dtype=np.float32)
