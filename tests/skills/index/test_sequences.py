"""Terms in the order of a skill's text: places, lines, firsts; the same over segments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skills.index.building import build_index, update_index
from skills.index.opened import Opened, open_current
from skills.index.sequences import HEAD_CHARACTERS, field_counts, read_sequences
from skills.index.settings import IndexSettings
from skills.index.tokens import Analyzer
from skills.index.vocabulary import GrowingVocabulary, Vocabulary
from skills.ranking.base import FIELDS, FIRST_IN_FIELD, FIRST_IN_LINE, PLACE_BITS, Places, TermSequences
from tests.skills.index.pools import CountingEncoder, skill, skills

LATE = "\n".join(f"orbit {line}" for line in range(400)) + "\nglacier"


def read(text: str, **fields: str) -> TermSequences:
    vocabulary = GrowingVocabulary(Vocabulary())
    one = replace(skill(0), **{"name": "", "description": "", "body": text, **fields})
    return read_sequences([one], Analyzer(), vocabulary, IndexSettings())


def places(found: TermSequences) -> list[Places]:
    return [Places(mark) for mark in (found.marks & PLACE_BITS).tolist()]


def test_terms_stand_in_the_order_of_the_text_with_place_and_line() -> None:
    found = read("# Merge\nmerge orbit merge", name="merge", description="An orbit. A harbour.")
    merge, orbit, harbour = range(3)
    assert found.terms.tolist() == [merge, orbit, harbour, merge, merge, orbit, merge]
    assert places(found) == [
        Places.NAME,
        Places.DESCRIPTION,
        Places.DESCRIPTION,
        Places.HEADING,
        Places.BODY,
        Places.BODY,
        Places.BODY,
    ]
    assert found.lines.tolist() == [0, 1, 2, 3, 4, 4, 4]
    assert (found.marks & FIRST_IN_LINE > 0).tolist() == [True] * 6 + [False]
    assert (found.marks & FIRST_IN_FIELD > 0).tolist() == [True] * 6 + [False]


def test_line_said_before_is_passed_over() -> None:
    found = read("merge orbit\nharbour\n  merge orbit\nmerge orbit ")
    assert found.terms.tolist() == [0, 1, 2]
    assert field_counts(found, "body").counts.tolist() == [1, 1, 1]


def test_what_stands_late_is_told_and_what_is_too_long_is_cut() -> None:
    found = read(LATE)
    assert places(found)[0] is Places.BODY
    assert places(found)[-1] is Places.LATE_BODY
    assert len(read("orbit\n", description="glacier " * HEAD_CHARACTERS).terms) == HEAD_CHARACTERS // 8 + 1


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Two segments."""
    build_index(skills(100), tmp_path, encoder=CountingEncoder())
    update_index(tmp_path, put=[skill(3, body="# merge page\n3"), skill(100)], encoder=CountingEncoder())
    return open_current(tmp_path, encoder=None)


def test_sequences_of_several_segments_come_in_the_order_asked_for(opened: Opened) -> None:
    assert len(opened.segments) == 2
    rows = np.array([101, 7, 100, 7, 0])
    found = opened.sequences.of(rows)
    for place, row in enumerate(rows.tolist()):
        alone = opened.sequences.of(np.array([row]))
        own = slice(found.offsets[place], found.offsets[place + 1])
        for name in ("terms", "marks", "lines"):
            np.testing.assert_array_equal(getattr(found, name)[own], getattr(alone, name))
    assert len(opened.sequences.of(rows[:0]).terms) == 0


def test_sequences_count_as_the_fields_do(opened: Opened) -> None:
    rows = np.array(sorted(opened.id_to_row.values()))
    found = opened.sequences.of(rows)
    for name in FIELDS:
        counted, known = field_counts(found, name), opened.terms.field(name).of(rows)
        np.testing.assert_array_equal(counted.offsets, known.offsets)
        np.testing.assert_array_equal(counted.terms, known.terms)
        np.testing.assert_array_equal(counted.counts, known.counts)


def test_every_idf_is_that_of_the_term(opened: Opened) -> None:
    terms = np.arange(len(opened.vocabulary), dtype=np.uint32)
    np.testing.assert_array_equal(opened.terms.every_idf, opened.terms.idf(terms))
