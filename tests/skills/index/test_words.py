"""Learned words in the first stage: kept beside the generation, asked with every query."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from skills.errors import IndexRefused
from skills.index.building import build_index, update_index
from skills.index.index import SkillIndex
from skills.index.opened import open_current
from skills.index.tokens import Analyzer
from skills.index.words import LEARNED_FILE
from skills.ranking.base import FIELDS, Floats, QueryTerms, Reranked, Retrieved, Rows, SkillArrays
from skills.ranking.learned_words import LearnedWords
from skills.term_digest import term_digest
from tests.skills.index.pools import NOUNS, PLACES, VERBS, CountingEncoder, skill, skills

LEARNED = ["verse", *VERBS, *NOUNS, *PLACES]
TOLERANCE = 2e-3  # of a number of a vector, kept in 16 bits


def learned_words(seed: int = 0) -> LearnedWords:
    """Each word a direction of its own; "verse" asks for what "sonnet" says."""
    stems = [Analyzer().terms(word)[0] for word in LEARNED]
    digests = np.array([term_digest(stem) for stem in stems], dtype=np.uint64)
    order = np.argsort(digests)
    vectors = np.random.default_rng(seed).normal(size=(len(stems), 48)).astype(np.float32)
    vectors[0] = vectors[LEARNED.index("sonnet")]
    return LearnedWords.of(digests[order], vectors[order], vectors[order])


class KnowingRanker:
    """Lends its words, and proposes one skill; leaves the order as it is."""

    sha256 = "f" * 64

    def __init__(self, words: LearnedWords, proposed: Sequence[str] = ()) -> None:
        self.words = words
        self._proposed = proposed

    def propose(self, queries: Sequence[QueryTerms], vectors: Floats, index: SkillArrays) -> list[Rows]:
        assert len(queries) == len(vectors)
        return [np.array([index.id_to_row[skill_id] for skill_id in self._proposed], dtype=np.int64)] * len(queries)

    def rerank(self, found: Sequence[Retrieved]) -> list[Reranked]:
        return [Reranked(scores=one.fused) for one in found]


@pytest.fixture
def ranker(tmp_path: Path) -> Path:
    folder = tmp_path / "ranker"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    return folder


def build(folder: Path, ranker: Path, count: int = 200) -> None:
    words = learned_words()
    build_index(skills(count), folder, encoder=CountingEncoder(), ranker=ranker, read_words=lambda _: words)


def searched(folder: Path, lent: KnowingRanker) -> SkillIndex:
    return SkillIndex.open(folder, encoder=CountingEncoder(), load_ranker=lambda _: lent)


def test_word_that_no_skill_has_finds_what_it_was_learned_for(tmp_path: Path, ranker: Path) -> None:
    build(tmp_path / "index", ranker)
    with_words = searched(tmp_path / "index", KnowingRanker(learned_words()))
    (found,) = with_words.retrieve(["verse"], candidates=5)
    assert all("sonnet" in with_words.arrays.cards[row].name for row in found.rows.tolist())
    assert found.learned is not None and found.learned_vector is not None
    vectors = with_words.arrays.learned(found.rows)
    assert vectors is not None
    np.testing.assert_allclose(vectors @ found.learned_vector, found.learned, atol=1e-4)


def test_vectors_are_those_of_the_words_and_follow_an_update(tmp_path: Path, ranker: Path) -> None:
    build(tmp_path / "index", ranker)
    words = learned_words()
    new = [skill(300), skill(7, body="sonnet sonnet orbit")]
    update_index(tmp_path / "index", put=new, encoder=CountingEncoder(), read_words=lambda _: words)
    opened = open_current(tmp_path / "index", encoder=None, verify=True)
    assert len(opened.segments) == 2
    rows = np.arange(len(opened.cards))
    fields = {name: opened.terms.field(name).of(rows) for name in FIELDS}
    expected = words.skill_vectors(fields, words.places(opened.vocabulary.digests))
    found = opened.learned(rows)
    assert found is not None
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def test_other_words_than_the_index_was_built_with_are_left_aside(tmp_path: Path, ranker: Path) -> None:
    build(tmp_path / "index", ranker)
    (found,) = searched(tmp_path / "index", KnowingRanker(learned_words(seed=1))).retrieve(["sonnet"])
    assert (found.learned, found.learned_vector) == (None, None)


def test_what_is_proposed_stands_beside_the_candidates(tmp_path: Path, ranker: Path) -> None:
    build(tmp_path / "index", ranker)
    index = searched(tmp_path / "index", KnowingRanker(learned_words(), ["skill-0150"]))
    (found,) = index.retrieve(["deploy kubernetes"], candidates=10)
    assert len(found.rows) == 11
    assert index.arrays.id_to_row["skill-0150"] == found.rows[-1]
    assert (np.diff(found.fused) <= 0).all()
    twice = index.retrieve(["deploy kubernetes", "sonnet"], candidates=10)
    np.testing.assert_array_equal(twice[0].fused, found.fused)


class KnowsItsQueries(KnowingRanker):
    """Tells what queries' vectors have in common."""

    def __init__(self, query_mean: Floats) -> None:
        super().__init__(learned_words())
        self.query_mean = query_mean


def test_what_queries_have_in_common_is_taken_away(tmp_path: Path, ranker: Path) -> None:
    build(tmp_path / "index", ranker)
    (asked, common) = CountingEncoder().encode(["deploy kubernetes", "deploy"])
    index = searched(tmp_path / "index", KnowsItsQueries(common))
    (found,) = index.retrieve(["deploy kubernetes"])
    rest = (asked - common) / np.linalg.norm(asked - common)
    heads = index.arrays.heads.centred(index.arrays.vectors.heads(found.rows))
    np.testing.assert_allclose(found.dense, heads @ rest, atol=1e-4)
    np.testing.assert_allclose(found.vector, asked, atol=1e-6)


def test_damaged_vectors_are_refused(tmp_path: Path, ranker: Path) -> None:
    build(tmp_path / "index", ranker, 20)
    (path,) = (tmp_path / "index").glob(f"gen-*/{LEARNED_FILE}")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(IndexRefused, match="bytes instead of"):
        open_current(tmp_path / "index", encoder=None)
