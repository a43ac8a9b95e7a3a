"""Scores of the postings against the formula, term by term, and the arrays by skill."""

from __future__ import annotations

from collections import Counter
from math import log1p
from pathlib import Path

import numpy as np
import pytest

from skills.base import Skill
from skills.errors import IndexRefused
from skills.index.building import build_index, update_index
from skills.index.opened import Opened, open_current
from skills.index.retrieval import Query, WordScores, best_rows, query_terms, query_weights, word_scores
from skills.index.settings import IndexSettings, SearchSettings
from skills.index.tokens import Analyzer
from skills.ranking.base import FIELDS
from storage.errors import InvalidInput
from tests.skills.index.pools import CountingEncoder, skill, skills

SETTINGS = IndexSettings(body_characters=60)
QUERY = "merge merge the invoice of the orbit, page 3"


def counted(one: Skill) -> dict[str, Counter[str]]:
    texts = {"name": one.name, "description": one.description, "body": one.body[: SETTINGS.body_characters]}
    return {field: Counter(Analyzer().terms(text)) for field, text in texts.items()}


def expected(pool: list[Skill], opened: Opened) -> dict[str, float]:
    """Simple BM25 over weighted fields, as the paper has it, but for one length of the whole text."""
    documents = {one.skill_id: counted(one) for one in pool}
    weights = {"name": SETTINGS.name_weight, "description": SETTINGS.description_weight, "body": SETTINGS.body_weight}
    found = dict.fromkeys(documents, 0.0)
    for term, asked in Counter(Analyzer().terms(QUERY)).items():
        having = sum(any(term in counts for counts in fields.values()) for fields in documents.values())
        idf = log1p((len(pool) - having + 0.5) / (having + 0.5))
        for skill_id, fields in documents.items():
            length = sum(fields[field].total() for field in FIELDS) / sum(opened.manifest.averages.values())
            counts = {field: min(fields[field][term], SETTINGS.count_limit) for field in FIELDS}
            weighted = sum(weights[field] * counts[field] for field in FIELDS)
            weighted /= 1 - SETTINGS.b + SETTINGS.b * length
            part = weighted * (SETTINGS.k1 + 1) / (weighted + SETTINGS.k1)
            found[skill_id] += idf * part * asked * 3 / (asked + 2)
    return found


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Two segments, and two rows removed from the first."""
    build_index(skills(100), tmp_path, encoder=CountingEncoder(), settings=SETTINGS)
    update_index(tmp_path, put=[skill(3, body="merge page 3 " * 30)], removed={"skill-0050"}, encoder=CountingEncoder())
    return open_current(tmp_path, encoder=None)


def test_scores_are_those_of_the_formula(opened: Opened) -> None:
    rows = np.array(sorted(opened.id_to_row.values()))
    query = query_terms(opened, QUERY, Analyzer(), SearchSettings())
    weights = query_weights(query, SearchSettings())
    counts = {name: opened.terms.field(name).counts(rows, query.terms) for name in FIELDS}
    scores = opened.terms.scores(rows, weights, counts)
    wanted = expected(opened.documents(rows), opened)
    assert {opened.cards[row].skill_id: score for row, score in zip(rows, scores, strict=True)} == pytest.approx(
        wanted, rel=1e-4
    )
    best = sorted(wanted, key=lambda skill_id: (-round(wanted[skill_id], 4), skill_id))[:10]
    every = asked(opened, QUERY)
    found = best_rows(opened, np.round(every.together, 4), 10)
    assert {opened.cards[row].skill_id for row in found} == set(best)
    np.testing.assert_allclose(every.lexical[rows], scores, rtol=1e-4)
    assert not np.isfinite(every.together[opened.removed]).any()


def asked(opened: Opened, text: str) -> WordScores:
    terms = query_terms(opened, text, Analyzer(), SearchSettings())
    nothing = np.zeros(256, dtype=np.float32)
    weights = query_weights(terms, SearchSettings())
    query = Query(text=text, terms=terms, weights=weights, vector=nothing, centred=nothing, learned=None)
    return word_scores(opened, query, None, SearchSettings())


def test_standardised_scores_have_mean_zero_and_deviation_one(opened: Opened) -> None:
    every = asked(opened, QUERY)
    found = every.standardised(every.lexical[sorted(opened.id_to_row.values())])
    assert (found.mean(), found.std()) == (pytest.approx(0, abs=1e-9), pytest.approx(1))
    nothing = asked(opened, "zzz")
    assert not nothing.standardised(nothing.lexical).any()


def test_of_many_terms_those_that_say_most_are_asked_and_all_are_told(opened: Opened) -> None:
    query = query_terms(opened, "invoice of the orbit page page m7x", Analyzer(), SearchSettings(most_terms=2))
    assert query.unknown == 1
    assert set(query.words) == {"orbit", "page"}  # of 10 and 98; invoice of 12, but asked once
    told = dict(zip(query.stems, query.stem_counts.tolist(), strict=True))
    assert (told["page"], told["m7x"], len(query.words)) == (2, 1, 2)


def test_counts_follow_rows_and_terms_in_any_order(opened: Opened) -> None:
    rows = np.array([opened.id_to_row["skill-0003"], opened.id_to_row["skill-0009"], opened.id_to_row["skill-0003"]])
    terms = opened.vocabulary.numbers_of(["page", "merg", "review"]).astype(np.uint32)
    counts = opened.terms.field("body").counts(rows, terms)
    np.testing.assert_array_equal(counts, [[4, 5, 0], [0, 0, 2], [4, 5, 0]])
    assert opened.terms.field("name").lengths(rows).tolist() == [2, 2, 2]
    frequency = opened.terms.document_frequency(terms)
    bodies = [counted(one) for one in opened.documents(np.array(sorted(opened.id_to_row.values())))]
    assert frequency.tolist() == [
        sum(any(term in field for field in one.values()) for one in bodies) for term in ("page", "merg", "review")
    ]


def test_damaged_document_is_told(opened: Opened) -> None:
    (path,) = [path for path in (opened.folder / "segments").glob("*/documents.jsonl") if path.stat().st_size > 5000]
    content = bytearray(path.read_bytes())
    content[:40] = b"x" * 40
    path.write_bytes(content)
    with pytest.raises(IndexRefused, match=r"Document 0 of .* is damaged"):
        opened.documents(np.array([0]))


@pytest.mark.parametrize("wrong", [{"windows": -1}, {"k1": 0}, {"b": 2}, {"window_characters": 1}, {"count_limit": 0}])
def test_settings_out_of_bounds_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidInput, match="must lie between"):
        IndexSettings(**wrong)
