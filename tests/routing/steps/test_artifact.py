"""Saved step policies: read back as they were, and refused where they were changed or do not fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from routing.errors import ArtifactRefused
from routing.steps.artifact import KINDS, STEPS, StepArtifact, load, save
from routing.steps.evaluation import evaluate, world_of
from routing.steps.simulator import play_all
from routing.steps.training import StepInputs, StepOptions, train
from storage.artifact_files import read_files, write_files
from tests.routing.steps.small_episodes import LARGE, SMALL, small_inputs


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> StepInputs:
    plain = small_inputs(tmp_path_factory.mktemp("artifact") / "data")
    rng = np.random.default_rng(0)
    vectors = {task.id: rng.normal(size=8).astype(np.float32) for task in plain.data.tasks}
    return replace(plain, vectors=vectors, encoder="made-up-1")


@pytest.fixture(scope="module")
def trained(inputs: StepInputs) -> dict[str, StepArtifact]:
    return {name: train(name, inputs, StepOptions(small=SMALL, large=LARGE)) for name in KINDS}


def rewritten(folder: Path, target: Path, **changes: object) -> Path:
    """The same artefact with other fields in its manifest, and digests that are right."""
    files = read_files(folder)
    body = STEPS.manifest(files, where="here")
    arrays = STEPS.arrays(files, body, where="here")
    write_files(target, STEPS.written(arrays, {**body, **changes}))
    return target


@pytest.mark.parametrize("name", list(KINDS))
def test_policy_is_read_back_as_it_was(
    name: str, trained: dict[str, StepArtifact], inputs: StepInputs, tmp_path: Path
) -> None:
    saved = save(tmp_path / name, trained[name])
    assert saved.manifest.encoder == "made-up-1"
    assert saved.sha256 == save(tmp_path / "again", trained[name]).sha256
    for weight in (0.02, 0.3, 1.0):
        mine, theirs = (
            play_all(world_of(each, inputs, split="dev"), each.scorer, weight=weight) for each in (trained[name], saved)
        )
        np.testing.assert_array_equal(mine.taken, theirs.taken)


def test_changed_files_are_refused(trained: dict[str, StepArtifact], tmp_path: Path) -> None:
    save(tmp_path, trained["cql"])
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ArtifactRefused, match="has the SHA-256"):
        load(tmp_path)
    manifest = tmp_path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(ArtifactRefused, match="was changed"):
        load(tmp_path)
    with pytest.raises(ArtifactRefused, match="cannot be read"):
        load(tmp_path / "nothing")


def test_nan_is_refused(trained: dict[str, StepArtifact], tmp_path: Path) -> None:
    artifact = trained["cql"]
    reader = replace(artifact.reader, scale=np.full_like(artifact.reader.scale, np.nan))
    with pytest.raises(ArtifactRefused, match="NaN"):
        save(tmp_path, replace(artifact, reader=reader))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"candidates": [SMALL, LARGE, "third"]}, "does not fit"),
        ({"candidates": [SMALL, SMALL]}, "holds something wrong"),
        ({"small": "nobody"}, "holds something wrong"),
        ({"order": [0, 7]}, "holds something wrong"),
        ({"kind": "magic"}, "holds something wrong"),
        ({"unit_usd": 0}, "holds something wrong"),
        ({"dimension": 9}, "does not fit"),
        ({"settings": {}}, "does not fit"),
    ],
)
def test_manifest_that_does_not_fit_is_refused(
    changes: dict[str, object], told: str, trained: dict[str, StepArtifact], tmp_path: Path
) -> None:
    save(tmp_path / "good", trained["cql"])
    with pytest.raises(ArtifactRefused, match=told):
        load(rewritten(tmp_path / "good", tmp_path / "bad", **changes))


def test_router_of_whole_queries_is_no_step_policy(trained: dict[str, StepArtifact], tmp_path: Path) -> None:
    save(tmp_path, trained["cql"])
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    del manifest["steps_format"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactRefused, match="is not of steps_format 1"):
        load(tmp_path)


def test_other_candidates_or_another_pair_are_refused(
    trained: dict[str, StepArtifact], inputs: StepInputs, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactRefused, match="was trained for small 'mini' and large 'grand'"):
        evaluate({"it": trained["cql"]}, inputs, small=LARGE, large=SMALL)
    other = small_inputs(tmp_path / "data", rename={LARGE: "huge"})
    with pytest.raises(ArtifactRefused, match="knows 'grand', who has no priced episodes"):
        evaluate({"it": trained["cql"]}, other, small=SMALL, large=LARGE)
