"""The first stage of a search: what words find and what vectors find, fused by reciprocal ranks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skills.index.opened import Opened
from skills.index.settings import SearchSettings
from skills.index.tokens import LONGEST_TEXT, MOST_WORDS, Analyzer
from skills.index.vocabulary import NO_TERM
from skills.ranking.base import FIELDS, Floats, QueryTerms, Retrieved, Rows

# Equal skills score equally: products of matrices differ in their last bits with the matrices' shapes.
LEXICAL_DECIMALS = 4
SIMILARITY_DECIMALS = 5


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What one retriever found, best first."""

    rows: Rows
    scores: Floats


def retrieve(
    opened: Opened, texts: Sequence[str], vectors: Floats, settings: SearchSettings, *, candidates: int
) -> list[Retrieved]:
    """One a text; `vectors` (texts, dimension). Texts that are blank find nothing."""
    analyzer = Analyzer()
    by_vectors = nearest(opened, vectors, settings.dense_top)
    return [
        _retrieved(opened, text, analyzer, vector, found, settings, candidates)
        for text, vector, found in zip(texts, vectors, by_vectors, strict=True)
    ]


def query_terms(opened: Opened, text: str, analyzer: Analyzer, settings: SearchSettings) -> QueryTerms:
    """The terms of the query that the index has; of more than `most_terms` those that say most."""
    term_to_count = Counter(analyzer.terms(text[:LONGEST_TEXT])[:MOST_WORDS])
    words = sorted(term_to_count)
    numbers = opened.vocabulary.numbers_of(words)
    counts = np.array([term_to_count[word] for word in words], dtype=np.float32)
    known = np.flatnonzero(numbers != NO_TERM)
    idf = opened.terms.idf(numbers[known].astype(np.uint32))
    order = np.argsort(-idf, kind="stable")[: settings.most_terms]
    kept = known[order]
    return QueryTerms(
        terms=numbers[kept].astype(np.uint32),
        counts=counts[kept],
        idf=idf[order],
        words=tuple(words[place] for place in kept.tolist()),
        unknown=len(words) - len(known),
    )


def query_weights(query: QueryTerms, settings: SearchSettings) -> Floats:
    """idf times the count, saturated: a word ten times in a query is not ten times as important."""
    k3 = np.float32(settings.query_saturation)
    return np.asarray(query.idf * query.counts * (k3 + 1) / (query.counts + k3), dtype=np.float32)


def nearest(opened: Opened, vectors: Floats, top: int) -> list[_Found]:
    """For each vector the skills with the nearest head or window."""
    by_segment = [segment.vectors.nearest(vectors, top, segment.removed) for segment in opened.segments]
    found = []
    for place in range(len(vectors)):
        rows = [first + some[place][0] for (first, _), some in zip(opened.parts(), by_segment, strict=True)]
        scores = [some[place][1] for some in by_segment]
        found.append(_top(opened, _joined_rows(rows), _joined_scores(scores), top))
    return found


def by_words(opened: Opened, query: QueryTerms, weights: Floats, settings: SearchSettings) -> Rows:
    """Rows that the query's terms find, unordered, some more than asked for where scores are equal.

    The rarest terms' postings are read until there are `most_postings`; commoner terms change the order but little,
    and count where candidates are scored.
    """
    frequency = opened.terms.document_frequency(query.terms)
    order = np.argsort(-weights, kind="stable")
    within = np.cumsum(frequency[order]) <= settings.most_postings
    within[:1] = True
    used = order[within]
    total = np.zeros(len(opened.cards), dtype=np.float64)
    for first, segment in opened.parts():
        rows, scores = segment.postings.of(query.terms[used], weights[used])
        total[first : first + segment.rows] = np.bincount(rows, scores, minlength=segment.rows)
    total[opened.removed] = 0
    positive = np.flatnonzero(total > 0)
    return positive[_best(total[positive], opened.id_order[positive], settings.lexical_top)]


def _retrieved(
    opened: Opened,
    text: str,
    analyzer: Analyzer,
    vector: Floats,
    by_vector: _Found,
    settings: SearchSettings,
    candidates: int,
) -> Retrieved:
    query = query_terms(opened, text, analyzer, settings)
    weights = query_weights(query, settings)
    lexical_rows = by_words(opened, query, weights, settings)
    rows = np.union1d(lexical_rows, by_vector.rows)
    counts = {name: opened.terms.field(name).counts(rows, query.terms) for name in FIELDS}
    lexical = np.round(opened.terms.scores(rows, weights, counts), LEXICAL_DECIMALS)
    vectors = opened.vectors.of(rows)
    similarities = np.round(vectors @ vector, SIMILARITY_DECIMALS)
    dense = similarities.max(axis=1, initial=-1.0)
    id_order = opened.id_order[rows]
    lexical_rank = _ranks(lexical, np.isin(rows, lexical_rows), id_order)
    dense_rank = _ranks(dense, np.isin(rows, by_vector.rows), id_order)
    fused = _reciprocal(lexical_rank, settings) + settings.dense_weight * _reciprocal(dense_rank, settings)
    kept = np.lexsort((id_order, -fused))[:candidates]
    return Retrieved(
        text=text,
        query=query,
        vector=vector,
        rows=rows[kept],
        lexical=lexical[kept],
        dense=dense[kept],
        similarities=similarities[kept],
        lexical_rank=lexical_rank[kept],
        dense_rank=dense_rank[kept],
        fused=fused[kept].astype(np.float32),
        field_counts={name: counts[name][kept] for name in FIELDS},
        index=opened,
    )


def _ranks(scores: Floats, is_found: NDArray[np.bool_], id_order: Rows) -> Rows:
    """From 1 among those that were found, ties by id; 0 for the others."""
    ranks = np.zeros(len(scores), dtype=np.int64)
    found = np.flatnonzero(is_found)
    ordered = found[np.lexsort((id_order[found], -scores[found]))]
    ranks[ordered] = np.arange(1, len(found) + 1)
    return ranks


def _reciprocal(ranks: Rows, settings: SearchSettings) -> NDArray[np.float64]:
    return np.where(ranks > 0, 1 / (settings.rank_offset + ranks), 0.0)


def _best(scores: NDArray[np.float64], id_order: Rows, top: int) -> Rows:
    """Places of the best `top`, ties by id; unordered."""
    if len(scores) <= top:
        return np.arange(len(scores))
    threshold = np.partition(scores, len(scores) - top)[len(scores) - top]
    above = np.flatnonzero(scores > threshold)
    level = np.flatnonzero(scores == threshold)
    return np.concatenate([above, level[np.argsort(id_order[level])[: top - len(above)]]])


def _top(opened: Opened, rows: Rows, scores: Floats, top: int) -> _Found:
    kept = np.lexsort((opened.id_order[rows], -scores))[:top]
    return _Found(rows=rows[kept], scores=scores[kept])


def _joined_rows(parts: Sequence[Rows]) -> Rows:
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])


def _joined_scores(parts: Sequence[Floats]) -> Floats:
    return np.concatenate([np.zeros(0, dtype=np.float32), *parts])
