"""Tuned layers on disk: read back as written, in a folder of their own or in another artefact, or refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skills.tuned_layers import TunedLayers, read_tuned_layers, write_tuned_layers
from storage.artifact_files import WEIGHTS_FILE, ArtifactKind, write_files
from storage.errors import ArtifactRefused

KIND = ArtifactKind(noun="ranker", formats={"ranker_format": 1})
LAYERS = TunedLayers(
    base_sha256="ab" * 32,
    arrays={"val_1_q": np.arange(-6, 6, dtype=np.int8).reshape(3, 4), "val_1_s": np.ones((1, 4), dtype=np.float32)},
    trained_with={"steps": 12, "shares": {"long": 0.15}},
)


def test_layers_are_read_back_as_written(tmp_path: Path) -> None:
    write_tuned_layers(tmp_path, LAYERS)
    found = read_tuned_layers(tmp_path)
    assert found is not None
    assert (found.sha256, found.base_sha256, found.trained_with) == (LAYERS.sha256, "ab" * 32, LAYERS.trained_with)
    assert all(np.array_equal(found.arrays[name], array) for name, array in LAYERS.arrays.items())


def test_other_numbers_and_another_base_have_another_digest() -> None:
    numbers = {**LAYERS.arrays, "val_1_q": LAYERS.arrays["val_1_q"] + np.int8(1)}
    digests = {LAYERS.sha256, replace(LAYERS, arrays=numbers).sha256, replace(LAYERS, base_sha256="cd").sha256}
    assert len(digests) == 3
    assert replace(LAYERS, trained_with={}).sha256 == LAYERS.sha256


def test_artefact_without_layers_has_none(tmp_path: Path) -> None:
    write_files(tmp_path, KIND.written({"tree": np.zeros(2)}, {}))
    assert read_tuned_layers(tmp_path) is None


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    write_tuned_layers(tmp_path, LAYERS)
    weights = (tmp_path / WEIGHTS_FILE).read_bytes()
    (tmp_path / WEIGHTS_FILE).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(ArtifactRefused, match="has the SHA-256"):
        read_tuned_layers(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 9}, "of format 9; 1 would be right"),
        ({"sha256": "0"}, "'0' would be right"),
        ({"trained_with": 3}, "holds something wrong"),
    ],
)
def test_entry_that_does_not_fit_is_refused(change: dict[str, object], message: str, tmp_path: Path) -> None:
    arrays, entries = LAYERS.inlaid()
    entry = {**entries["tuned_encoder"], **change}
    write_files(tmp_path, KIND.written(arrays, {"tuned_encoder": entry}))
    with pytest.raises(ArtifactRefused, match=message):
        read_tuned_layers(tmp_path)
