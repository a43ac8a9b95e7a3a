"""Searching an index: the right skill first, whatever is asked; and indexes that cannot be used."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from skills.errors import IndexRefused, SkillNotFound
from skills.index.building import build_index, update_index
from skills.index.generations import CURRENT_FILE, SEGMENTS, current_generation
from skills.index.index import SkillIndex
from skills.index.settings import SearchSettings
from skills.ranking.base import FIELDS, Reranked, Retrieved
from tests.skills.index.pools import CountingEncoder, no_words, skill, skills

HUGE_QUERY_SECONDS = 2.0  # of CPU; a busy machine is no reason to fail


class LongestNameFirst:
    """A ranker that likes long names."""

    sha256 = "f" * 64

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def rerank(self, found: Sequence[Retrieved]) -> list[Reranked]:
        ranked = []
        for one in found:
            names = [len(document.name) for document in one.index.documents(one.rows)]
            ranked.append(Reranked(scores=np.array(names, dtype=np.float32), fit_probability=0.25))
        return ranked


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("index")
    ranker = tmp_path_factory.mktemp("ranker")
    (ranker / "manifest.json").write_text("{}")
    build_index(skills(300), made, encoder=CountingEncoder(), ranker=ranker, read_words=no_words)
    return made


@pytest.fixture(scope="module")
def index(folder: Path) -> SkillIndex:
    return SkillIndex.open(folder, encoder=CountingEncoder(), verify=True)


def first(index: SkillIndex, text: str) -> str:
    return index.search([text], top=5)[0].hits[0].skill_id


def test_word_of_the_body_alone_finds_its_skill(index: SkillIndex) -> None:
    assert first(index, "what was marked m217x?") == "skill-0217"


def test_texts_asked_together_find_what_they_find_alone(index: SkillIndex) -> None:
    texts = [f"{text} of page {number}" for number, text in enumerate(["deploy weather", "plot", "zzz"] * 30)]
    together = index.search(texts, top=7)
    assert together == [index.search([text], top=7)[0] for text in texts]
    assert all([hit.rank for hit in search.hits] == list(range(1, 8)) for search in together)


def test_blank_texts_find_nothing_and_their_neighbours_all_the_same(index: SkillIndex) -> None:
    empty, full, blank = index.search(["", "m33x", " \n\t"], top=3)
    assert (empty.hits, blank.hits) == ((), ())
    assert full.hits[0].skill_id == "skill-0033"


@pytest.mark.parametrize("text", ["!?", "the of and", "\ud800", "\x00", "日本語のスキル", "🦜"])
def test_text_without_a_known_word_is_answered_by_vectors(index: SkillIndex, text: str) -> None:
    assert len(index.search([text], top=5)[0].hits) == 5


def test_query_of_100_kilobytes_is_answered_soon(index: SkillIndex) -> None:
    text = skill(217).body * 40 + " ".join(f"word{number}" for number in range(12_000))
    assert len(text) > 100_000
    started = time.process_time()
    assert first(index, text) == "skill-0217"
    assert time.process_time() - started < HUGE_QUERY_SECONDS


def test_more_hits_than_candidates_are_given_where_asked_for(index: SkillIndex) -> None:
    few = SkillIndex(index.arrays, encoder=CountingEncoder(), settings=SearchSettings(candidates=5))
    assert len(few.search(["encrypt"], top=50)[0].hits) == 50


def test_equal_scores_go_by_id(tmp_path: Path) -> None:
    same = [replace(skill(5), id=skill_id) for skill_id in ("b", "d", "a", "c")]
    build_index(same, tmp_path, encoder=CountingEncoder())
    (search,) = SkillIndex.open(tmp_path, encoder=CountingEncoder()).search(["deploy"], top=3)
    assert [hit.skill_id for hit in search.hits] == ["a", "b", "c"]


def test_stuffed_text_does_not_take_the_first_place(tmp_path: Path) -> None:
    stuffed = skill(0, skill_id="stuffed", body="merge invoice " * 400)
    right = skill(8, skill_id="right")
    build_index([*skills(80), stuffed, right], tmp_path, encoder=CountingEncoder())
    search = SkillIndex.open(tmp_path, encoder=CountingEncoder()).search(["merge the invoice"], top=3)[0]
    assert search.hits[0].skill_id == "right"


def test_candidates_come_with_what_a_ranker_needs(index: SkillIndex) -> None:
    (found,) = index.retrieve(["encrypt the password, page 17 page"])
    count = len(found.rows)
    assert found.query.words == tuple(
        sorted(found.query.words, key=lambda word: -dict(zip(found.query.words, found.query.idf, strict=True))[word])
    )
    assert dict(zip(found.query.words, found.query.counts, strict=True))["page"] == 2
    assert found.similarities.shape == (count, 2)
    heads = found.index.vectors.of(found.rows)[:, 0]
    np.testing.assert_allclose(found.dense, index.arrays.heads.centred(heads) @ found.vector, atol=1e-5)
    np.testing.assert_allclose(found.similarities, found.index.vectors.of(found.rows) @ found.vector, atol=1e-5)
    assert (np.diff(found.fused) <= 0).all()
    for name in FIELDS:
        field = found.index.terms.field(name)
        assert found.field_counts[name].shape == (count, len(found.query.terms))
        np.testing.assert_array_equal(field.counts(found.rows, found.query.terms), found.field_counts[name])
        of = field.of(found.rows)
        np.testing.assert_array_equal(np.add.reduceat(of.counts, of.offsets[:-1]), field.lengths(found.rows))


def test_vectors_that_are_known_are_not_asked_for(folder: Path) -> None:
    encoder = CountingEncoder()
    index = SkillIndex.open(folder, encoder=encoder)
    vectors = CountingEncoder().encode(["plot", "merge"])
    known = index.retrieve(["plot", "merge"], vectors=vectors, candidates=3)
    assert encoder.asked == []
    asked = index.retrieve(["plot", "merge"], candidates=3)
    assert [one.rows.tolist() for one in known] == [one.rows.tolist() for one in asked]


def test_ranker_has_the_last_word(folder: Path) -> None:
    index = SkillIndex.open(folder, encoder=CountingEncoder(), load_ranker=LongestNameFirst)
    assert index.ranker_sha256 == LongestNameFirst.sha256
    (search,) = index.search(["invoice"], top=20)
    lengths = [len(hit.name) for hit in search.hits]
    assert lengths == sorted(lengths, reverse=True) == [hit.rerank for hit in search.hits]
    assert search.fit_probability == 0.25
    assert search.hits[0].retrieval < max(hit.retrieval for hit in index.search(["invoice"], top=100)[0].hits)


def test_skills_come_as_they_were_indexed(index: SkillIndex) -> None:
    assert index.skills(["skill-0017", "skill-0002"]) == [skill(17), skill(2)]
    with pytest.raises(SkillNotFound, match="'nobody'"):
        index.skills(["skill-0017", "nobody"])


def test_search_goes_on_while_generations_are_swapped(tmp_path: Path) -> None:
    """Old readers read on from files that are gone; new ones find what was added."""
    encoder = CountingEncoder()
    build_index(skills(120), tmp_path, encoder=encoder)
    opened = SkillIndex.open(tmp_path, encoder=encoder)
    done = Event()

    def search() -> int:
        searches = 0
        while not done.is_set() or not searches:
            assert first(opened, skill(77).body) == "skill-0077"
            assert first(SkillIndex.open(tmp_path, encoder=encoder), skill(33).body) == "skill-0033"
            assert opened.skills(["skill-0003"]) == [skill(3)]
            searches += 1
        return searches

    with ThreadPoolExecutor(3) as threads:
        running = [threads.submit(search) for _ in range(3)]
        try:
            for number in range(200, 210):
                update_index(tmp_path, put=[skill(number)], encoder=encoder)
        finally:
            done.set()
        assert all(one.result() > 0 for one in running)
    assert not opened.is_current()
    newest = SkillIndex.open(tmp_path, encoder=encoder)
    assert newest.is_current()
    assert first(newest, skill(209).body) == "skill-0209"


def truncated(generation: Path, segment: Path) -> None:
    path = segment / "vectors.npy"
    path.write_bytes(path.read_bytes()[:-100])


def missing(generation: Path, segment: Path) -> None:
    (segment / "documents.jsonl").unlink()


def newer(generation: Path, segment: Path) -> None:
    path = generation / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))


def half_a_manifest(generation: Path, segment: Path) -> None:
    path = generation / "manifest.json"
    path.write_text(path.read_text()[:200])


def nonsense(generation: Path, segment: Path) -> None:
    path = generation / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "segments": [{"name": "../../etc"}]}))


def gone(generation: Path, segment: Path) -> None:
    (generation / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncated, r"vectors.npy' has \d+ bytes instead of \d+"),
        (missing, r"lacks '.*documents.jsonl'"),
        (newer, "is of format 99; this version of antroute reads 2"),
        (half_a_manifest, "is no manifest of an index"),
        (nonsense, "holds something wrong"),
        (gone, "cannot be read"),
    ],
)
def test_index_that_is_not_whole_is_refused(tmp_path: Path, damage: Callable[[Path, Path], None], message: str) -> None:
    build_index(skills(5), tmp_path, encoder=CountingEncoder())
    (segment,) = (tmp_path / SEGMENTS).iterdir()
    damage(tmp_path / str(current_generation(tmp_path)), segment)
    with pytest.raises(IndexRefused, match=message):
        SkillIndex.open(tmp_path, encoder=CountingEncoder())


def test_changed_byte_is_found_when_asked_for(tmp_path: Path) -> None:
    build_index(skills(5), tmp_path, encoder=CountingEncoder())
    (segment,) = (tmp_path / SEGMENTS).iterdir()
    content = bytearray((segment / "documents.jsonl").read_bytes())
    content[50] ^= 1
    (segment / "documents.jsonl").write_bytes(content)
    SkillIndex.open(tmp_path, encoder=CountingEncoder())
    with pytest.raises(IndexRefused, match="another content than it was built with"):
        SkillIndex.open(tmp_path, encoder=CountingEncoder(), verify=True)


def test_other_encoder_is_refused(folder: Path) -> None:
    with pytest.raises(IndexRefused, match="built with encoder 'counting' of 256 numbers; here is 'other' of 256"):
        SkillIndex.open(folder, encoder=CountingEncoder(name="other"))


def test_folder_without_an_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IndexRefused, match="There is no index"):
        SkillIndex.open(tmp_path, encoder=CountingEncoder())
    (tmp_path / CURRENT_FILE).write_text("../elsewhere")
    with pytest.raises(IndexRefused, match=r"names '\.\./elsewhere', which is no generation"):
        SkillIndex.open(tmp_path, encoder=CountingEncoder())
