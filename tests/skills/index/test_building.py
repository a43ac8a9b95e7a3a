"""Building an index: what changed is done anew, nothing else; what breaks leaves the old one serving."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from skills.base import Provenance, SkillSearch, content_sha256
from skills.errors import IndexRefused
from skills.index.building import build_index, indexed_digests, update_index
from skills.index.generations import CURRENT_FILE, LOCK_FILE, SEGMENTS, UNFINISHED, current_generation
from skills.index.index import SkillIndex
from skills.index.settings import IndexSettings
from storage.errors import InvalidInput
from tests.skills.index.pools import CountingEncoder, no_words, skill, skills

TOLERANCE = 0.1  # of a fused score: averages of the small segment are those of the large one
QUERIES = ["merge the calendar of the glacier", "page 17", "m23x", "encrypt password", "kubernetes deploy orbit"]
BUILD_SLOWLY = """
import sys
from pathlib import Path
from skills.index.building import build_index
from tests.skills.index.pools import CountingEncoder, skills
def tell(done, of, what):
    print(what, done, of, flush=True)
    sys.stdin.readline()
build_index(skills(400), Path(sys.argv[1]), encoder=CountingEncoder(), on_progress=tell)
"""


def searched(folder: Path) -> list[SkillSearch]:
    return SkillIndex.open(folder, encoder=CountingEncoder()).search(QUERIES, top=10)


def ids(searches: list[SkillSearch]) -> list[list[str]]:
    return [[hit.skill_id for hit in search.hits] for search in searches]


def test_empty_pool_is_an_index_that_finds_nothing_and_can_grow(tmp_path: Path) -> None:
    encoder = CountingEncoder()
    change = build_index([], tmp_path, encoder=encoder)
    assert (change.is_new, change.manifest.skills) == (True, 0)
    assert ids(searched(tmp_path)) == [[]] * len(QUERIES)
    update_index(tmp_path, put=[skill(23)], encoder=encoder)
    assert ids(searched(tmp_path)) == [["skill-0023"]] * len(QUERIES)


def test_one_skill_is_found_with_its_digest(tmp_path: Path) -> None:
    build_index([skill(23)], tmp_path, encoder=CountingEncoder())
    (hit,) = searched(tmp_path)[2].hits
    assert (hit.skill_id, hit.name, hit.rank, hit.rerank) == ("skill-0023", "translate-sonnet", 1, None)
    assert len(hit.sha256) == 64


def test_id_that_stands_twice_is_refused_and_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"Two skills have the id 'skill-0001'"):
        build_index([skill(1), skill(2), skill(1)], tmp_path, encoder=CountingEncoder())
    assert current_generation(tmp_path) is None


def test_same_pool_makes_no_new_generation(tmp_path: Path) -> None:
    build_index(skills(30), tmp_path, encoder=CountingEncoder())
    encoder = CountingEncoder()
    change = build_index(reversed(skills(30)), tmp_path, encoder=encoder)
    assert (change.is_new, change.unchanged, encoder.asked) == (False, 30, [])


def test_same_skills_have_the_same_content_digest_however_they_came(tmp_path: Path) -> None:
    whole = build_index(skills(40), tmp_path / "whole", encoder=CountingEncoder()).manifest
    build_index(skills(39), tmp_path / "steps", encoder=CountingEncoder())
    steps = update_index(tmp_path / "steps", put=[skill(39)], encoder=CountingEncoder()).manifest
    assert whole.content_sha256 == steps.content_sha256
    other = IndexSettings(windows=3)
    assert (
        build_index(skills(40), tmp_path / "other", encoder=CountingEncoder(), settings=other).manifest.content_sha256
        != whole.content_sha256
    )


@pytest.mark.parametrize("changed", [4, 90], ids=["beside the large segment", "all written anew"])
def test_index_brought_up_to_date_equals_a_new_one(tmp_path: Path, changed: int) -> None:
    """Added, changed and removed; only new texts are encoded."""
    build_index(skills(300), tmp_path / "steps", encoder=CountingEncoder())
    new = [skill(number, body=f"Mark m{number}x: encrypt the password of orbit {number}.") for number in range(changed)]
    new += [skill(number) for number in range(300, 300 + changed)]
    gone = {f"skill-{number:04d}" for number in range(100, 100 + changed)}
    encoder = CountingEncoder()
    change = update_index(tmp_path / "steps", put=new, removed=gone, encoder=encoder)
    assert (change.added, change.updated, change.removed) == (changed, changed, changed)
    assert len(encoder.asked) <= 4 * changed
    assert len(change.manifest.segments) == (2 if changed == 4 else 1)
    live = {one.skill_id: one for one in [*skills(300), *new] if one.skill_id not in gone}
    build_index(live.values(), tmp_path / "whole", encoder=CountingEncoder())
    for one, other in zip(searched(tmp_path / "steps"), searched(tmp_path / "whole"), strict=True):
        expected = {hit.skill_id: hit.retrieval for hit in other.hits}
        found = {hit.skill_id: hit.retrieval for hit in one.hits if hit.skill_id in expected}
        assert len(found) >= len(expected) - 1  # the last ones are nearly equal
        assert found == pytest.approx({skill_id: expected[skill_id] for skill_id in found}, abs=TOLERANCE)


def test_small_segment_grows_by_single_skills_and_loses_them(tmp_path: Path) -> None:
    build_index(skills(200), tmp_path, encoder=CountingEncoder())
    for number in range(200, 206):
        change = update_index(tmp_path, put=[skill(number)], encoder=CountingEncoder())
        assert [segment.rows for segment in change.manifest.segments] == [200, number - 199]
    change = update_index(tmp_path, removed={"skill-0203", "skill-0007", "nobody"}, encoder=CountingEncoder())
    assert [segment.rows for segment in change.manifest.segments] == [200, 5]
    assert (change.removed, change.manifest.skills) == (2, 204)
    index = SkillIndex.open(tmp_path, encoder=CountingEncoder())
    (hit, *_) = index.search(["m205x"], top=3)[0].hits
    assert hit.skill_id == "skill-0205"
    assert not {"skill-0203", "skill-0007"} & {hit.skill_id for hit in index.search(["m203x m7x"], top=204)[0].hits}
    assert len(list((tmp_path / SEGMENTS).iterdir())) == 2


def test_changed_licence_is_an_update_without_encoding(tmp_path: Path) -> None:
    build_index(skills(20), tmp_path, encoder=CountingEncoder(), cache_dir=tmp_path / "cache")
    new = replace(skill(3), provenance=Provenance(source="elsewhere", sha256="", license="BSD-3-Clause"))
    encoder = CountingEncoder()
    change = update_index(tmp_path, put=[new], encoder=encoder, cache_dir=tmp_path / "cache")
    assert (change.updated, encoder.asked) == (1, [])
    (found,) = SkillIndex.open(tmp_path, encoder=encoder).skills(["skill-0003"])
    assert found == replace(new, id="skill-0003")


def test_killed_build_leaves_the_old_index_and_is_taken_up_again(tmp_path: Path) -> None:
    build_index(skills(50), tmp_path, encoder=CountingEncoder())
    before = searched(tmp_path)
    command = [sys.executable, "-c", BUILD_SLOWLY, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as build:
        assert build.stdin is not None and build.stdout is not None
        for _ in range(3):
            assert build.stdout.readline().startswith("encoding texts")
            build.stdin.write("\n")
            build.stdin.flush()
        build.send_signal(signal.SIGKILL)
    assert build.returncode == -signal.SIGKILL
    assert searched(tmp_path) == before
    encoder = CountingEncoder()
    change = build_index(skills(400), tmp_path, encoder=encoder)
    assert (change.added, change.unchanged) == (350, 50)
    assert 0 < len(encoder.asked) <= 2 * 350 - 3 * 128
    assert not (tmp_path / UNFINISHED).exists()
    build_index(skills(400), tmp_path / "whole", encoder=CountingEncoder())
    assert ids(searched(tmp_path)) == ids(searched(tmp_path / "whole"))


def test_what_a_broken_build_left_is_cleared_away(tmp_path: Path) -> None:
    build_index(skills(10), tmp_path, encoder=CountingEncoder())
    for left in (tmp_path / ".new-1", tmp_path / "gen-000009", tmp_path / SEGMENTS / ".new-2"):
        left.mkdir()
        (left / "manifest.json").write_text("{")
    assert len(searched(tmp_path)[0].hits) == 10
    build_index(skills(11), tmp_path, encoder=CountingEncoder())
    assert sorted(path.name for path in tmp_path.iterdir()) == [CURRENT_FILE, LOCK_FILE, "gen-000002", SEGMENTS]
    assert len(list((tmp_path / SEGMENTS).iterdir())) == 1


def test_what_is_no_segment_stays(tmp_path: Path) -> None:
    own = tmp_path / SEGMENTS / "of-my-own.txt"
    own.parent.mkdir()
    own.write_text("kept")
    build_index(skills(10), tmp_path, encoder=CountingEncoder())
    build_index(skills(400), tmp_path, encoder=CountingEncoder())
    assert own.read_text() == "kept"
    assert len(list((tmp_path / SEGMENTS).glob("seg-*"))) == 1


def test_damaged_name_of_the_generation_is_told_with_the_way_out(tmp_path: Path) -> None:
    build_index(skills(10), tmp_path, encoder=CountingEncoder())
    (tmp_path / CURRENT_FILE).write_text("rubbish")
    with pytest.raises(IndexRefused, match="is no generation") as told:
        build_index(skills(10), tmp_path, encoder=CountingEncoder())
    assert "Remove this file" in told.value.hint
    (tmp_path / CURRENT_FILE).unlink()
    assert build_index(skills(10), tmp_path, encoder=CountingEncoder()).is_new


def test_second_builder_is_told_to_wait(tmp_path: Path) -> None:
    with FileLock(tmp_path / LOCK_FILE), pytest.raises(IndexRefused, match="Another process is building"):
        build_index(skills(3), tmp_path, encoder=CountingEncoder())


def test_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexRefused, match="cannot be kept"):
        build_index(skills(3), tmp_path / "file", encoder=CountingEncoder())


def test_update_without_an_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IndexRefused, match="There is no index"):
        update_index(tmp_path, put=skills(1), encoder=CountingEncoder())


def test_other_encoder_builds_anew(tmp_path: Path) -> None:
    build_index(skills(10), tmp_path, encoder=CountingEncoder())
    encoder = CountingEncoder(name="another", dimension=32)
    with pytest.raises(IndexRefused, match="'counting' of 256 numbers; here is 'another' of 32"):
        update_index(tmp_path, put=[skill(11)], encoder=encoder)
    change = build_index(skills(10), tmp_path, encoder=encoder)
    assert (change.manifest.encoder, change.manifest.dimension, len(encoder.asked)) == ("another", 32, 20)


def test_damaged_index_is_built_anew(tmp_path: Path) -> None:
    build_index(skills(10), tmp_path, encoder=CountingEncoder())
    name = current_generation(tmp_path)
    (tmp_path / str(name) / "manifest.json").write_text("{")
    with pytest.raises(IndexRefused, match="no manifest of an index"):
        searched(tmp_path)
    assert build_index(skills(10), tmp_path, encoder=CountingEncoder()).added == 10
    assert searched(tmp_path)[0].hits


def test_ranker_is_copied_and_another_one_is_another_generation(tmp_path: Path) -> None:
    ranker = tmp_path / "ranker"
    ranker.mkdir()
    (ranker / "manifest.json").write_text("{}")
    first = build_index(skills(10), tmp_path / "index", encoder=CountingEncoder(), ranker=ranker, read_words=no_words)
    assert not build_index(
        skills(10), tmp_path / "index", encoder=CountingEncoder(), ranker=ranker, read_words=no_words
    ).is_new
    (ranker / "weights").write_text("1")
    encoder = CountingEncoder()
    second = build_index(skills(10), tmp_path / "index", encoder=encoder, ranker=ranker, read_words=no_words)
    assert second.is_new and encoder.asked == []
    assert first.manifest.ranker != second.manifest.ranker
    third = update_index(tmp_path / "index", put=[skill(11)], encoder=encoder, read_words=no_words)
    assert third.manifest.ranker == second.manifest.ranker
    assert (tmp_path / "index" / third.generation / "ranker" / "weights").read_text() == "1"


def test_empty_folder_is_no_ranker(tmp_path: Path) -> None:
    (tmp_path / "ranker").mkdir()
    with pytest.raises(IndexRefused, match="holds no ranker"):
        build_index(
            skills(1), tmp_path / "index", encoder=CountingEncoder(), ranker=tmp_path / "ranker", read_words=no_words
        )


def test_progress_tells_what_is_done(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    build_index(skills(20), tmp_path, encoder=CountingEncoder(), on_progress=lambda *word: told.append(word))
    assert [what for _, _, what in told] == ["encoding texts", "counting terms", "writing", "writing"]
    assert all(0 <= done <= of for done, of, _ in told)


def test_catalogue_can_tell_what_the_index_lacks(tmp_path: Path) -> None:
    assert indexed_digests(tmp_path, CountingEncoder()) == {}
    build_index(skills(3), tmp_path, encoder=CountingEncoder())
    update_index(tmp_path, removed={"skill-0001"}, encoder=CountingEncoder())
    assert indexed_digests(tmp_path, CountingEncoder()) == {
        one.skill_id: content_sha256(one) for one in (skill(0), skill(2))
    }
    assert indexed_digests(tmp_path, CountingEncoder(name="other")) == {}


def test_skill_without_an_id_or_name_is_refused(tmp_path: Path) -> None:
    nobody = replace(skill(1), id="", name="")
    with pytest.raises(InvalidInput, match="neither id nor name"):
        build_index([nobody], tmp_path, encoder=CountingEncoder())
