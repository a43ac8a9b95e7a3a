"""The first stage of a search: what words, learned words and vectors say of every skill, standardised and added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skills.index.distribution import unit
from skills.index.opened import Opened
from skills.index.settings import SearchSettings
from skills.index.tokens import LONGEST_TEXT, MOST_WORDS, Analyzer
from skills.index.vocabulary import NO_TERM
from skills.ranking.base import FIELDS, Floats, Proposer, QueryTerms, Retrieved, Rows
from skills.ranking.learned_words import LearnedWords

# Equal skills score equally: sums differ in their last bits with what else is summed.
LEXICAL_DECIMALS = 4
SIMILARITY_DECIMALS = 5
FUSED_DECIMALS = 4
TINY = 1e-9
Scores = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a ranker lends to the first stage."""

    words: LearnedWords | None = None  # those that the index has vectors of
    query_mean: Floats | None = None  # what queries' vectors have in common
    proposer: Proposer | None = None


@dataclass(frozen=True, kw_only=True)
class Query:
    """One text, as each retriever reads it."""

    text: str
    terms: QueryTerms
    weights: Floats  # of its terms
    vector: Floats  # the encoder's
    centred: Floats
    learned: Floats | None  # vector of the learned words


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Rows that words alone may not find."""

    near: Rows
    proposed: Rows


@dataclass(frozen=True, kw_only=True)
class WordScores:
    """What words alone say of every skill."""

    lexical: Scores  # (rows,)
    mean: float
    deviation: float
    together: Scores  # (rows,), standardised, with the learned words; -inf for removed rows

    def standardised(self, lexical: Scores) -> Scores:
        return (lexical - self.mean) / self.deviation if self.deviation > TINY else np.zeros_like(lexical)


def retrieve(
    opened: Opened,
    texts: Sequence[str],
    vectors: Floats,
    settings: SearchSettings,
    *,
    candidates: int,
    known: Known | None = None,
) -> list[Retrieved]:
    """One a text, best first; `vectors` (texts, dimension). What is proposed comes beside the candidates."""
    lent = known or Known()
    queries = list(_queries(opened, texts, vectors, settings, lent))
    near = _nearest(opened, queries, settings.dense_top)
    proposed = [np.zeros(0, dtype=np.int64)] * len(queries)
    if lent.proposer is not None:
        proposed = lent.proposer.propose([query.terms for query in queries], vectors, opened)
    learned = _learned_similarities(opened, queries)
    beside = [Beside(near=some, proposed=others) for some, others in zip(near, proposed, strict=True)]
    return [
        _retrieved(opened, query, word_scores(opened, query, similarities, settings), rows, settings, candidates)
        for query, similarities, rows in zip(queries, learned, beside, strict=True)
    ]


def query_terms(opened: Opened, text: str, analyzer: Analyzer, settings: SearchSettings) -> QueryTerms:
    """The terms of the query that the index has; of more than `most_terms` those that say most."""
    written = analyzer.terms(text[:LONGEST_TEXT])[:MOST_WORDS]
    term_to_count = Counter(written)
    words = sorted(term_to_count)
    numbers = opened.vocabulary.numbers_of(words)
    counts = np.array([term_to_count[word] for word in words], dtype=np.float32)
    has_number = np.flatnonzero(numbers != NO_TERM)
    idf = opened.terms.idf(numbers[has_number].astype(np.uint32))
    order = np.argsort(-idf * saturated_counts(counts[has_number], settings), kind="stable")[: settings.most_terms]
    order = order[np.argsort(-idf[order], kind="stable")]
    kept = has_number[order]
    kept_words = tuple(words[place] for place in kept.tolist())
    word_to_place = {word: place for place, word in enumerate(kept_words)}
    return QueryTerms(
        terms=numbers[kept].astype(np.uint32),
        counts=counts[kept],
        idf=idf[order],
        words=kept_words,
        unknown=len(words) - len(has_number),
        stems=tuple(words),
        stem_counts=counts,
        order=np.array([word_to_place[word] for word in written if word in word_to_place], dtype=np.int64),
    )


def query_weights(query: QueryTerms, settings: SearchSettings) -> Floats:
    """idf times the count, saturated."""
    return query.idf * saturated_counts(query.counts, settings)


def saturated_counts(counts: Floats, settings: SearchSettings) -> Floats:
    """A word ten times in a query is not ten times as important."""
    k3 = np.float32(settings.query_saturation)
    return np.asarray(counts * (k3 + 1) / (counts + k3), dtype=np.float32)


def word_scores(opened: Opened, query: Query, learned: Floats | None, settings: SearchSettings) -> WordScores:
    """BM25 of every skill from all postings of the query's terms, with the similarity of learned words."""
    lexical = np.zeros(len(opened.cards), dtype=np.float64)
    for first, segment in opened.parts():
        rows, scores = segment.postings.of(query.terms.terms, query.weights)
        lexical[first : first + segment.rows] = np.bincount(rows, scores, minlength=segment.rows)
    lexical[opened.removed] = 0
    mean = float(lexical.sum()) / max(opened.count, 1)
    deviation = float(np.sqrt(max(float(lexical @ lexical) / max(opened.count, 1) - mean * mean, 0.0)))
    together = (lexical - mean) / deviation if deviation > TINY else np.zeros_like(lexical)
    if learned is not None and opened.words is not None and query.learned is not None:
        together += settings.learned_weight * opened.words.distribution.standardised(learned, query.learned)
    together[opened.removed] = -np.inf
    return WordScores(lexical=lexical, mean=mean, deviation=deviation, together=together)


def best_rows(opened: Opened, scores: Scores, top: int) -> Rows:
    """The best `top` that can be found, ties by id; unordered."""
    top = min(top, opened.count)
    if top <= 0:
        return np.zeros(0, dtype=np.int64)
    threshold = np.partition(scores, len(scores) - top)[len(scores) - top]
    above = np.flatnonzero(scores > threshold)
    level = np.flatnonzero(scores == threshold)
    return np.concatenate([above, level[np.argsort(opened.id_order[level])[: top - len(above)]]])


def _queries(
    opened: Opened, texts: Sequence[str], vectors: Floats, settings: SearchSettings, known: Known
) -> Iterator[Query]:
    analyzer = Analyzer()
    terms = [query_terms(opened, text, analyzer, settings) for text in texts]
    learned = None
    if known.words is not None:
        learned = known.words.query_vectors([one.stems for one in terms], [one.stem_counts for one in terms])
    centred = vectors if known.query_mean is None else unit(vectors - known.query_mean)
    for place, text in enumerate(texts):
        yield Query(
            text=text,
            terms=terms[place],
            weights=query_weights(terms[place], settings),
            vector=vectors[place],
            centred=centred[place],
            learned=None if learned is None else learned[place],
        )


def _nearest(opened: Opened, queries: Sequence[Query], top: int) -> list[Rows]:
    """For each query the skills with the nearest heads, unordered."""
    if not queries:
        return []
    vectors = np.stack([query.centred for query in queries])
    found = [[np.zeros(0, dtype=np.int64)] for _ in queries]
    for first, segment in opened.parts():
        for own, rows in zip(found, segment.vectors.nearest(vectors, top, segment.removed), strict=True):
            own.append(first + rows)
    return [np.concatenate(rows) for rows in found]


def _learned_similarities(opened: Opened, queries: Sequence[Query]) -> list[Floats | None]:
    """Of every row; None without learned words."""
    vectors = [query.learned for query in queries if query.learned is not None]
    if opened.words is None or not vectors:
        return [None] * len(queries)
    return list((opened.words.every @ np.stack(vectors).T).T)


def _retrieved(
    opened: Opened, query: Query, scores: WordScores, beside: Beside, settings: SearchSettings, candidates: int
) -> Retrieved:
    found = best_rows(opened, scores.together, max(settings.lexical_top, candidates))
    rows = np.unique(np.concatenate([found, beside.near, beside.proposed]))
    lexical = np.round(scores.lexical[rows], LEXICAL_DECIMALS)
    dense = _similarities(opened.heads.centred(opened.vectors.heads(rows)), query.centred)
    fused = scores.standardised(lexical)
    fused += settings.dense_weight * opened.heads.distribution.standardised(dense, query.centred)
    learned = None
    if opened.words is not None and query.learned is not None:
        learned = _similarities(opened.words.of(rows), query.learned)
        fused += settings.learned_weight * opened.words.distribution.standardised(learned, query.learned)
    fused -= settings.stuffing_weight * opened.stuffing(rows)
    fused = np.round(fused, FUSED_DECIMALS)
    order = np.lexsort((opened.id_order[rows], -fused))
    kept = order[(np.arange(len(order)) < candidates) | np.isin(rows[order], beside.proposed)]
    return Retrieved(
        text=query.text,
        query=query.terms,
        vector=query.vector,
        rows=rows[kept],
        lexical=lexical[kept].astype(np.float32),
        dense=dense[kept],
        similarities=_similarities(opened.vectors.of(rows[kept]), query.vector),
        fused=fused[kept].astype(np.float32),
        field_counts={name: opened.terms.field(name).counts(rows[kept], query.terms.terms) for name in FIELDS},
        index=opened,
        learned=None if learned is None else learned[kept],
        learned_vector=query.learned,
    )


def _similarities(vectors: Floats, query: Floats) -> Floats:
    """Each row's own sum: the same whatever rows are beside it."""
    found: Floats = np.round((vectors * query).sum(axis=-1), SIMILARITY_DECIMALS)
    return found
