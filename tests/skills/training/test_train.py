"""A ranker learned from start to end, and served from its folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from skills.base import Skill
from skills.index.building import build_index
from skills.index.index import SkillIndex
from skills.ranking.base import QueryTerms
from skills.ranking.ranker import LearnedRanker, load_ranker
from skills.training.train import TrainingSettings, train
from storage.errors import InvalidInput
from tests.skills.index.pools import CountingEncoder, skill, skills
from tests.skills.training.small_pool import QUICK, pool, queries

ENCODER = CountingEncoder(dimension=64)


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of queries of every skill: with a memory."""
    folder = tmp_path_factory.mktemp("warm")
    train(pool(), queries(folder), ENCODER, cache_dir=None, settings=QUICK).save(folder / "ranker")
    return folder / "ranker"


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of queries of fewer than half of the skills: by texts alone."""
    folder = tmp_path_factory.mktemp("cold")
    read = queries(folder, asked_for=pool()[1::2][:18])
    train(pool(), read, ENCODER, cache_dir=None, settings=QUICK).save(folder / "ranker")
    return folder / "ranker"


def searched(folder: Path, skills: Sequence[Skill], ranker: Path, texts: Sequence[str]) -> list[list[str]]:
    """Ids of each text's hits."""
    folder.mkdir()
    build_index(skills, folder, encoder=ENCODER, ranker=ranker)
    index = SkillIndex.open(folder, encoder=ENCODER, load_ranker=load_ranker, use_gpu=False)
    return [[hit.skill_id for hit in found.hits] for found in index.search(texts, top=10)]


def test_skills_asked_for_in_slang_are_found_first(warm: Path, tmp_path: Path) -> None:
    texts = ["somebody interpret these verses", "scramble dna quickly", "inspect the bill of today"]
    found = searched(tmp_path / "index", pool(), warm, texts)
    assert [hits[0] for hits in found] == ["translate-poem", "encrypt-genome", "review-invoice"]


def test_manifest_says_what_was_learned_from_and_how_well(warm: Path, cold: Path) -> None:
    said = json.loads((warm / "manifest.json").read_text())
    assert said["data"]["queries"] == 160
    assert said["data"]["kinds"] == {"long": 80, "short": 80}
    assert said["data"]["skills_with_queries"] == 1
    assert said["encoder"] == "counting"
    assert (
        said["metrics"]["memory"]["ranker"]["all"]["hit_at_1"]
        > said["metrics"]["memory"]["first_stage"]["all"]["hit_at_1"]
    )
    assert said["metrics"]["text"]["ranker"]["all"]["queries"] > 0
    without = json.loads((cold / "manifest.json").read_text())
    assert (without["metrics"]["memory"], without["memory_skills"]) == (None, None)


def test_same_seed_gives_the_same_bytes_and_another_seed_others(cold: Path, tmp_path: Path) -> None:
    read = queries(tmp_path, asked_for=pool()[1::2][:18])
    again = train(pool(), read, ENCODER, cache_dir=None, settings=QUICK)
    assert again.files["weights.safetensors"] == (cold / "weights.safetensors").read_bytes()
    assert again.files["manifest.json"] == (cold / "manifest.json").read_bytes()
    other = TrainingSettings(queries=400, seed=1, words=QUICK.words, trees=QUICK.trees)
    seeded = train(pool(), read, ENCODER, cache_dir=None, settings=other)
    assert seeded.files["weights.safetensors"] != again.files["weights.safetensors"]


def test_order_of_the_pool_does_not_change_the_ranking(warm: Path, tmp_path: Path) -> None:
    texts = ["please morph this bill", "launch servers now", "a poem about the calendar"]
    shuffled = [pool()[place] for place in np.random.default_rng(0).permutation(40).tolist()]
    assert searched(tmp_path / "one", pool(), warm, texts) == searched(tmp_path / "two", shuffled, warm, texts)


def test_new_skill_is_not_crowded_out_by_those_with_past_queries(warm: Path, tmp_path: Path) -> None:
    newcomer = skill(0, skill_id="newcomer", body="Tunes pianos: strings, hammers and felt, by ear and by fork.")
    found = searched(tmp_path / "index", [*pool(), newcomer], warm, ["tune the strings of pianos with a fork, by ear"])
    assert "newcomer" in found[0][:3]


def test_memory_rests_where_few_skills_have_past_queries(warm: Path, tmp_path: Path) -> None:
    ranker = load_ranker(warm)
    assert ranker.parts.memory is not None
    folders = {"own": pool(), "strangers": [*pool()[:5], *skills(30)]}
    active = {}
    for name, some in folders.items():
        (tmp_path / name).mkdir()
        build_index(some, tmp_path / name, encoder=ENCODER)
        opened = SkillIndex.open(tmp_path / name, encoder=ENCODER, use_gpu=False).arrays
        active[name] = ranker.parts.memory.queries.is_active(opened)
        proposed = ranker.propose([_terms("inspect bill")], ENCODER.encode(["inspect bill"]), opened)
        assert bool(len(proposed[0])) == active[name]
    assert active == {"own": True, "strangers": False}


def test_unasked_skills_rank_by_their_texts(cold: Path, tmp_path: Path) -> None:
    found = searched(tmp_path / "index", pool(), cold, ["convert an invoice", "plot a poem"])
    assert [hits[0] for hits in found] == ["convert-invoice", "plot-poem"]


def test_too_little_to_learn_from_is_refused(tmp_path: Path) -> None:
    few = queries(tmp_path, asked_for=pool()[:3])
    with pytest.raises(InvalidInput, match="12 queries with a known answer; at least 10 and 50"):
        train(pool(), few, ENCODER, cache_dir=None, settings=QUICK)


def test_unknown_group_of_features_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"'prices'; groups: .*memory"):
        train(
            pool(), queries(tmp_path), ENCODER, cache_dir=None, settings=TrainingSettings(without_features=("prices",))
        )


def test_progress_is_told_until_the_end(tmp_path: Path) -> None:
    told: dict[str, tuple[int, int]] = {}

    def on_progress(done: int, of: int, what: str) -> None:
        told[what] = (done, of)

    train(
        pool(),
        queries(tmp_path, asked_for=pool()[:18]),
        ENCODER,
        cache_dir=None,
        settings=QUICK,
        on_progress=on_progress,
    )
    assert all(done == of for done, of in told.values()), told
    assert {"learning words", "finding candidates"} <= set(told)


def test_loaded_ranker_is_named_by_its_manifest(warm: Path) -> None:
    ranker = load_ranker(warm, encoder="counting")
    assert isinstance(ranker, LearnedRanker)
    assert ranker.sha256 == json.loads((warm / "manifest.json").read_text())["sha256"]


def _terms(text: str) -> QueryTerms:
    stems = tuple(text.split())
    nothing = np.zeros(0, dtype=np.float32)
    return QueryTerms(
        terms=np.zeros(0, dtype=np.uint32), counts=nothing, idf=nothing, words=(), stems=stems,
        stem_counts=np.ones(len(stems), dtype=np.float32),
    )  # fmt: skip
