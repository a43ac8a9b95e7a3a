"""Files of what was trained: whatever they hold, they are read as they were written, or refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storage.artifact_files import MANIFEST_FILE, WEIGHTS_FILE, ArtifactKind, read_files, write_files
from storage.errors import ArtifactRefused, InvalidInput

RANKER = ArtifactKind(noun="ranker", formats={"format": 3})
ARRAYS = {"trees": np.arange(6, dtype=np.int32).reshape(2, 3), "leaves": np.array([0.5, -1e-9])}
WHERE = "the folder"


@pytest.fixture
def files() -> dict[str, bytes]:
    return RANKER.written(ARRAYS, {"features": ("bm25", "dense"), "name": "漢字"})


def test_what_is_written_is_read_back_and_always_the_same_bytes(tmp_path: Path, files: dict[str, bytes]) -> None:
    write_files(tmp_path / "new" / "ranker", files)
    found = read_files(tmp_path / "new" / "ranker")
    assert (
        found
        == files
        == RANKER.written(dict(reversed(ARRAYS.items())), {"name": "漢字", "features": ["bm25", "dense"]})
    )
    body = RANKER.manifest(found, where=WHERE)
    assert (body["features"], body["name"], body["format"]) == (["bm25", "dense"], "漢字", 3)
    arrays = RANKER.arrays(found, body, where=WHERE)
    assert {name: array.tolist() for name, array in arrays.items()} == {
        name: array.tolist() for name, array in ARRAYS.items()
    }
    assert arrays["trees"].dtype == np.int32


def test_another_artefact_may_take_the_folder_s_place_and_nothing_else(tmp_path: Path, files: dict[str, bytes]) -> None:
    write_files(tmp_path / "ranker", files)
    other = RANKER.written({"trees": np.zeros(1)}, {})
    write_files(tmp_path / "ranker", other)
    assert read_files(tmp_path / "ranker") == other
    (tmp_path / "ranker" / "notes.txt").write_text("mine")
    with pytest.raises(InvalidInput, match="holds other files"):
        write_files(tmp_path / "ranker", files)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_files(tmp_path / "file" / "ranker", files)


def test_a_changed_file_is_refused(files: dict[str, bytes]) -> None:
    changed = files[MANIFEST_FILE].replace(b"bm25", b"bm26")
    with pytest.raises(ArtifactRefused, match="was changed"):
        RANKER.manifest({**files, MANIFEST_FILE: changed}, where=WHERE)
    body = RANKER.manifest(files, where=WHERE)
    with pytest.raises(ArtifactRefused, match=r"'weights\.safetensors' in 'the folder' has the SHA-256"):
        RANKER.arrays({**files, WEIGHTS_FILE: files[WEIGHTS_FILE] + b"\0"}, body, where=WHERE)


def test_a_missing_file_is_named(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(ArtifactRefused, match=r"The ranker in 'the folder' has no file 'manifest\.json'"):
        RANKER.manifest({}, where=WHERE)
    with pytest.raises(ArtifactRefused, match=r"has no file 'weights\.safetensors'"):
        RANKER.arrays({}, RANKER.manifest(files, where=WHERE), where=WHERE)
    with pytest.raises(ArtifactRefused, match=r"manifest\.json' cannot be read"):
        read_files(tmp_path)


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"format": 2}', b"[" * 100_000, b"\xff"])
def test_a_manifest_that_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(ArtifactRefused, match=r"cannot be read|is not of format 3") as refused:
        RANKER.manifest({MANIFEST_FILE: content}, where=WHERE)
    assert refused.value.hint in ("Name a folder made by `train`.", "Train the ranker again.")


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_an_array_that_is_not_finite_is_neither_written_nor_read(wrong: float) -> None:
    with pytest.raises(ArtifactRefused, match="The trained ranker holds a NaN or infinity in 'leaves'"):
        RANKER.written({"leaves": np.array([1.0, wrong])}, {})


def test_a_manifest_whose_fields_are_wrong_is_refused(files: dict[str, bytes]) -> None:
    def seeds(body: dict[str, Any]) -> int:
        return int(body["seed"])

    with pytest.raises(ArtifactRefused, match=r"holds something wrong: KeyError\('seed'\)"):
        RANKER.checked(RANKER.manifest(files, where=WHERE), seeds, where=WHERE)
    assert RANKER.checked(json.loads('{"seed": 7}'), seeds, where=WHERE) == 7
