"""The tuned encoder on the real packaged network: torch and serving agree, its name, its cache, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from routing.encoders import minilm
from routing.encoders.bert_weights import bert_network
from routing.encoders.int8_graph import NETWORK_FILE
from routing.encoders.minilm import MiniLMEncoder
from routing.encoders.small_model import MANIFEST_FILE
from routing.encoders.tuned import TunedMiniLM, encoder_of, tuned_encoder
from routing.errors import EncoderUnavailable
from routing.registry import choose_encoder
from skills.progress import no_progress
from skills.training.encoder_tuning import packed
from skills.training.encoder_tuning_network import Encoding, upper_names
from skills.tuned_layers import BertNetwork, TunableEncoder, TunedLayers, write_tuned_layers
from storage.artifact_files import ArtifactKind, write_files
from storage.errors import ArtifactRefused

TEXTS = [
    "How do I bake bread?",
    "pdf-tools: Merge, split and sign PDF files",
    "x = [1, 2]; print(x[0])",
    "Read the files, make a plan and write the result to output. " * 6,
    "",
]


@pytest.fixture(scope="module")
def base(encoder_dir: Path) -> MiniLMEncoder:
    return MiniLMEncoder(cache_dir=encoder_dir)


@pytest.fixture(scope="module")
def network(base: MiniLMEncoder) -> BertNetwork:
    return base.network()


@pytest.fixture(scope="module")
def layers(network: BertNetwork) -> TunedLayers:
    """Other weights in the last two layers, as training could have found them."""
    rng = np.random.default_rng(3)
    changed = {
        name: np.asarray(
            network.arrays[name] + rng.normal(0, 0.2, network.arrays[name].shape) * network.arrays[name].std(),
            dtype=np.float32,
        )
        for name in upper_names(network, 2)
    }
    return packed(network, changed, {"seed": 3})


@pytest.fixture(scope="module")
def tuned(layers: TunedLayers, encoder_dir: Path) -> TunedMiniLM:
    return TunedMiniLM(layers, cache_dir=encoder_dir)


def in_torch(network: BertNetwork, layers: TunedLayers | None, encoder: TunableEncoder) -> np.ndarray:
    """Vectors of the texts by the network that training sees, with these layers in it."""
    arrays = dict(network.arrays)
    for name, stored in network.stored.items():
        if layers is None or stored[0] not in layers.arrays:
            continue
        numbers = layers.arrays[stored[0]].astype(np.float32)
        arrays[name] = numbers if len(stored) == 1 else numbers * layers.arrays[stored[1]]
    encoding = Encoding(replace(network, arrays=arrays), trained=2, is_bfloat16=False)
    states = encoding.states(encoder.token_ids(TEXTS, limit=128), no_progress)
    return encoding.vectors(states, range(len(TEXTS))).detach().numpy()


def test_training_sees_the_vectors_that_are_served(base: MiniLMEncoder, network: BertNetwork) -> None:
    assert isinstance(base, TunableEncoder)
    assert (in_torch(network, None, base) * base.encode(TEXTS)).sum(axis=1).min() > 0.998


def test_tuned_layers_give_the_vectors_when_served_that_they_gave_in_training(
    base: MiniLMEncoder, network: BertNetwork, layers: TunedLayers, tuned: TunedMiniLM
) -> None:
    served = tuned.encode(TEXTS)
    assert (in_torch(network, layers, tuned) * served).sum(axis=1).min() > 0.99
    assert (base.encode(TEXTS) * served).sum(axis=1).max() < 0.97
    assert tuned.name == f"minilm-tuned@{layers.sha256[:12]}-1"


def test_layers_as_they_were_change_next_to_nothing(
    base: MiniLMEncoder, network: BertNetwork, encoder_dir: Path
) -> None:
    same = packed(network, {name: network.arrays[name] for name in upper_names(network, 2)}, {})
    vectors = TunedMiniLM(same, cache_dir=encoder_dir).encode(TEXTS)
    assert (vectors * base.encode(TEXTS)).sum(axis=1).min() > 0.999


def test_network_is_as_small_as_the_packaged_one_and_made_once(
    base: MiniLMEncoder, layers: TunedLayers, tuned: TunedMiniLM, encoder_dir: Path
) -> None:
    folders = {manifest.parent for manifest in encoder_dir.glob(f"*/{MANIFEST_FILE}")}
    (own,) = [folder for folder in folders if layers.sha256[:32] in folder.name]
    (other,) = [folder for folder in folders if folder.name == f"{minilm.MODEL_SHA256}-1"]
    assert sorted(path.name for path in own.iterdir()) == sorted(path.name for path in other.iterdir())
    size = (own / NETWORK_FILE).stat().st_size
    assert size == pytest.approx((other / NETWORK_FILE).stat().st_size, rel=0.01)
    inode = (own / NETWORK_FILE).stat().st_ino
    np.testing.assert_array_equal(TunedMiniLM(layers, cache_dir=encoder_dir).encode(TEXTS[:1]), tuned.encode(TEXTS[:1]))
    assert (own / NETWORK_FILE).stat().st_ino == inode
    assert json.loads((own / MANIFEST_FILE).read_text())["layers_sha256"] == layers.sha256


def test_encoder_is_opened_by_folder_and_by_name(
    layers: TunedLayers, tuned: TunedMiniLM, tmp_path: Path, encoder_dir: Path
) -> None:
    write_tuned_layers(tmp_path / "tuned", layers)
    by_name = choose_encoder(f"tuned:{tmp_path / 'tuned'}", cache_dir=encoder_dir).encoder
    assert by_name.name == tuned.name == tuned_encoder(tmp_path / "tuned", cache_dir=encoder_dir).name
    np.testing.assert_array_equal(by_name.encode(TEXTS[:2]), tuned.encode(TEXTS[:2]))


def test_artefact_of_another_kind_carries_the_encoder_it_needs(
    layers: TunedLayers, tuned: TunedMiniLM, tmp_path: Path, encoder_dir: Path
) -> None:
    arrays, entries = layers.inlaid()
    kind = ArtifactKind(noun="ranker", formats={"ranker_format": 7})
    write_files(tmp_path / "with", kind.written(arrays | {"tree": np.zeros(3)}, entries | {"features": ["a"]}))
    write_files(tmp_path / "without", kind.written({"tree": np.zeros(3)}, {"features": ["a"]}))
    found = encoder_of(tmp_path / "with", cache_dir=encoder_dir)
    assert found is not None
    assert found.name == tuned.name
    assert encoder_of(tmp_path / "without", cache_dir=encoder_dir) is None
    with pytest.raises(EncoderUnavailable, match="carries no tuned encoder; name one that does"):
        tuned_encoder(tmp_path / "without", cache_dir=encoder_dir)


def test_folder_without_an_artefact_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactRefused, match=r"'.*manifest\.json' cannot be read"):
        choose_encoder(f"tuned:{tmp_path}")


def test_layers_of_another_base_are_refused(layers: TunedLayers, encoder_dir: Path) -> None:
    with pytest.raises(EncoderUnavailable, match="of a base with the SHA-256 '0000'"):
        TunedMiniLM(replace(layers, base_sha256="0000"), cache_dir=encoder_dir)


@pytest.mark.parametrize("change", ["unknown", "shape"])
def test_tensors_that_do_not_fit_the_network_are_refused(change: str, layers: TunedLayers, tmp_path: Path) -> None:
    name = next(iter(layers.arrays))
    arrays = {"no.such": layers.arrays[name]} if change == "unknown" else {name: np.zeros((2, 2), dtype=np.int8)}
    with pytest.raises(EncoderUnavailable, match=r"has no tensor 'no\.such'|is int8 of \(2, 2\)"):
        TunedMiniLM(replace(layers, arrays=arrays), cache_dir=tmp_path)


def test_it_never_falls_back_to_the_packaged_layers(layers: TunedLayers, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(EncoderUnavailable, match="No network can be kept"):
        TunedMiniLM(layers, cache_dir=tmp_path / "file")


def test_file_that_is_no_network_of_berts_form_is_told(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(EncoderUnavailable, match="holds no encoder of BERT's form"):
        bert_network(tmp_path / "model.onnx", "0")
