"""A ranker's artefact is checked before it ranks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load

from skills.errors import RankerRefused
from skills.index.building import build_index
from skills.index.index import SkillIndex
from skills.ranking.artifact import KIND, RankerParts, features_digest, written
from skills.ranking.features import FEATURES
from skills.ranking.fit import SIGNALS, Fit
from skills.ranking.learned_words import LearnedWords
from skills.ranking.ranker import load_ranker, read_learned_words
from skills.ranking.trees import Trees
from storage.artifact_files import MANIFEST_FILE, WEIGHTS_FILE, write_files
from tests.skills.index.pools import CountingEncoder, skill, skills

DIMENSION = 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One tree that likes the first feature."""
    trees = {
        "split_trees": np.array([0], dtype=np.int32),
        "split_features": np.array([0], dtype=np.int32),
        "split_thresholds": np.array([0.5]),
        "split_masks": np.array([0xFFFE], dtype=np.uint16),
        "leaves": np.array([[0.0, 1.0, *[0.0] * 14]]),
    }
    table = np.ones((2, 3), dtype=np.float32)
    words = LearnedWords.of(np.array([1, 2], dtype=np.uint64), table, table)
    ones = np.ones(len(SIGNALS), dtype=np.float32)
    fit = Fit({"weights": ones, "centre": ones, "scale": ones, "bias": np.zeros(1, dtype=np.float32)})
    parts = RankerParts(
        words=words, query_mean=np.zeros(DIMENSION, np.float32), trees=Trees(trees, features=len(FEATURES)), fit=fit
    )
    write_files(tmp_path / "ranker", written(parts, trees, None, {"encoder": "counting", "dimension": DIMENSION}))
    return tmp_path / "ranker"


def rewritten(folder: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> Path:
    """With other arrays or another manifest, and digests that fit them."""
    arrays = dict(load((folder / WEIGHTS_FILE).read_bytes()))
    body = json.loads((folder / MANIFEST_FILE).read_text())
    change(arrays, body)
    write_files(folder, KIND.written(arrays, {name: value for name, value in body.items() if name != "sha256"}))
    return folder


def test_what_was_written_is_read(folder: Path) -> None:
    ranker = load_ranker(folder, encoder="counting")
    rows = np.zeros((2, len(FEATURES)), dtype=np.float32)
    rows[1, 0] = 1
    assert ranker.parts.trees.sums(rows).tolist() == [0, 1]
    assert read_learned_words(folder).sha256 == ranker.words.sha256
    assert ranker.query_mean.tolist() == [0] * DIMENSION
    assert ranker.rerank([]) == []


@pytest.mark.parametrize("field", ["body", "description"])
def test_stuffed_skill_loses_what_no_fit_makes_up_for(folder: Path, tmp_path: Path, field: str) -> None:
    stuffed = replace(skill(0, skill_id="stuffed"), **{field: "merge the invoice of the harbour. " * 40})
    build_index([*skills(80), stuffed], tmp_path / "index", encoder=CountingEncoder())
    (found,) = SkillIndex.open(tmp_path / "index", encoder=CountingEncoder()).retrieve(["merge the invoice"])
    (reranked,) = load_ranker(folder).rerank([found])
    place = [one.skill_id for one in found.index.documents(found.rows)].index("stuffed")
    honest = np.delete(reranked.scores, place)
    assert reranked.scores[place] < honest.min() - 20
    assert honest.min() > -10


def test_another_encoder_is_refused(folder: Path) -> None:
    with pytest.raises(RankerRefused, match="trained with encoder 'counting'; here is 'minilm'"):
        load_ranker(folder, encoder="minilm")


@pytest.mark.parametrize("name", [MANIFEST_FILE, WEIGHTS_FILE])
def test_changed_byte_is_refused(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(bytes(content))
    with pytest.raises(RankerRefused, match=name):
        load_ranker(folder)


@pytest.mark.parametrize("name", [MANIFEST_FILE, WEIGHTS_FILE])
def test_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(RankerRefused, match="cannot be read"):
        load_ranker(folder)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("words.digests", np.array([2, 1], dtype=np.uint64), "ascending"),
        ("words.skills", np.ones((2, 2), dtype=np.int8), "do not fit"),
        ("trees.split_features", np.array([10_000], dtype=np.int32), "within 0 to"),
        ("trees.split_masks", np.array([1], dtype=np.int64), "uint16"),
        ("trees.leaves", np.full((1, 16), 1e39), "no answer"),
        ("fit.weights", np.ones(3, dtype=np.float32), "has the shape"),
        ("fit.scale", np.zeros(len(SIGNALS), dtype=np.float32), "above 0"),
        ("query_mean", np.zeros(3, dtype=np.float32), "has the shape"),
        ("trees.leaves", None, "KeyError"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(folder: Path, name: str, value: np.ndarray | None, message: str) -> None:
    def change(arrays: dict[str, Any], body: dict[str, Any]) -> None:
        del arrays[name]
        if value is not None:
            arrays[name] = value

    with pytest.raises(RankerRefused, match=message), np.errstate(over="ignore"):
        load_ranker(rewritten(folder, change))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("features_sha256", "0" * 64, "trained on other features"),
        ("dimension", "wide", "something wrong"),
        ("memory_skills", [{"id": 1}], "something wrong"),
        ("memory_skills", [], "KeyError"),
    ],
)
def test_manifest_that_does_not_fit_is_refused(folder: Path, name: str, value: object, message: str) -> None:
    def change(arrays: dict[str, Any], body: dict[str, Any]) -> None:
        body[name] = value

    with pytest.raises(RankerRefused, match=message):
        load_ranker(rewritten(folder, change))


def test_digest_of_features_is_that_of_a_text() -> None:
    assert len(features_digest()) == 64
