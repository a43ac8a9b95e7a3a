"""Artefacts from anywhere: whatever their files hold, they load and forecast, or are refused with a reason."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load as arrays_of
from safetensors.numpy import save as packed

from routing.artifacts import MANIFEST_FILE, WEIGHTS_FILE, loads, read_files, save
from routing.errors import ArtifactRefused
from storage.errors import InvalidInput
from tests.routing.trained import trained_files

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("routers") / "router"
    trained_files(folder)
    return read_files(folder)


def signed(files: dict[str, bytes], change: Change, weights: bytes | None = None) -> dict[str, bytes]:
    """As somebody would forge them: changed, with digests that fit."""
    kept = files[WEIGHTS_FILE] if weights is None else weights
    body = json.loads(files[MANIFEST_FILE])
    change(body)
    body["weights_sha256"] = sha256(kept).hexdigest()
    rest = {name: value for name, value in body.items() if name != "sha256"}
    body["sha256"] = sha256(json.dumps(rest, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    return {MANIFEST_FILE: json.dumps(body).encode(), WEIGHTS_FILE: kept}


def nothing(body: dict[str, Any]) -> None:
    """Changes nothing."""


def with_header(header: bytes, length: int | None = None, rest: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + rest


def test_forgery_that_changes_nothing_loads(files: dict[str, bytes]) -> None:
    assert loads(signed(files, nothing)).sha256 == loads(files).sha256


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dimension", 10**400), ("dimension", True), ("dimension", 10**9), ("settings", None), ("metrics", [1]),
        ("query_counts", "x"), ("cards", [{"id": "a", "context_window": 10**400}]), ("cards", 7), ("kind", ["a"]),
    ],
)  # fmt: skip
def test_manifest_with_a_wrong_field_is_refused(files: dict[str, bytes], field: str, value: object) -> None:
    with pytest.raises(ArtifactRefused):
        loads(signed(files, lambda body: body.update({field: value})))


@pytest.mark.parametrize("value", ["x", -1, 10**400, float("nan"), float("inf"), []])
def test_reference_that_is_no_amount_is_refused(files: dict[str, bytes], value: object) -> None:
    with pytest.raises(ArtifactRefused, match="holds something wrong"):
        loads(signed(files, lambda body: body["reference"].update(cost_usd=value)))


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"format": 1, "features": 1, "x": "\\ud800", "sha256": ""}', b"\xff\xfe", b""]
)
def test_manifest_that_is_none_is_refused(files: dict[str, bytes], content: bytes) -> None:
    with pytest.raises(ArtifactRefused):
        loads({**files, MANIFEST_FILE: content})


@pytest.mark.parametrize(
    "weights",
    [
        with_header(b"{}", length=2**62),
        with_header(b"{}", length=10**8),
        with_header(json.dumps({"x": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode(), rest=b"\0\0"),
        with_header(json.dumps({"x": {"dtype": "F32", "shape": [2**62, 0], "data_offsets": [0, 0]}}).encode()),
        b"",
    ],
)
def test_weights_that_cannot_be_read_are_refused(files: dict[str, bytes], weights: bytes) -> None:
    with pytest.raises(ArtifactRefused, match="cannot be read"):
        loads(signed(files, nothing, weights))


def test_arrays_that_do_not_fit_each_other_are_refused_before_they_serve(files: dict[str, bytes]) -> None:
    arrays = arrays_of(files[WEIGHTS_FILE])
    for name, array in arrays.items():
        if array.ndim:
            with pytest.raises(ArtifactRefused):
                loads(signed(files, nothing, packed({**arrays, name: array[:0].copy()})))
        with pytest.raises(ArtifactRefused):
            loads(signed(files, nothing, packed({**arrays, name: np.zeros((2, 3, 4, 5), dtype=array.dtype)})))


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    artifact = trained_files(tmp_path / "router")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInput, match="cannot be written"):
        save(tmp_path / "file" / "router", artifact.predictor, artifact.manifest)
