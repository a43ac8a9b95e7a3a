"""The smaller form: made once even by two processes, found again, made anew when spoilt, and given up with a reason."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from onnx import TensorProto, helper, numpy_helper, save

from routing.encoders import int8_graph
from routing.encoders import small_model as module
from routing.encoders.int8_graph import NETWORK_FILE, ROWS_FILE, NotRewritten, rewrite
from routing.encoders.small_model import MANIFEST_FILE, small_model
from routing.errors import EncoderUnavailable

WORDS, SIZE = 30_000, 32


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of one product and one word table, quantized as the encoder's file is."""
    path = tmp_path_factory.mktemp("source") / "tiny.onnx"
    write_network(path)
    return path


def write_network(path: Path, *, consumer: str = "MatMul") -> None:
    rng = np.random.default_rng(5)
    tensors = []
    nodes = []
    for name, shape, scale in (("words", (WORDS, SIZE), (WORDS, 1)), ("weight", (SIZE, SIZE), (1, SIZE))):
        quantized = rng.integers(-127, 128, shape).astype(np.int8)
        scales = rng.uniform(0.5, 1.0, scale).astype(np.float32) / 127
        tensors += [numpy_helper.from_array(quantized, f"{name}_q"), numpy_helper.from_array(scales, f"{name}_s")]
        nodes.append(helper.make_node("Cast", [f"{name}_q"], [f"{name}_f"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [f"{name}_f", f"{name}_s"], [name]))
    nodes.append(helper.make_node("Gather", ["words", "input_ids"], ["embedding"], axis=0))
    nodes.append(helper.make_node(consumer, ["embedding", "weight"], ["product"]))
    nodes.append(helper.make_node("Add", ["embedding", "product"], ["last_hidden_state"]))
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["texts", "tokens", SIZE])
    graph = helper.make_graph(nodes, "tiny", inputs, [output], tensors)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), str(path))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_it_is_made_once_and_found_again(source: Path, tmp_path: Path) -> None:
    first = small_model(source, sha256(source), tmp_path / "new" / "folder")
    inode = (first / NETWORK_FILE).stat().st_ino
    assert small_model(source, sha256(source), tmp_path / "new" / "folder") == first
    assert (first / NETWORK_FILE).stat().st_ino == inode
    assert (first / ROWS_FILE).stat().st_size == WORDS * SIZE


def test_manifest_tells_where_it_comes_from_and_how_near_it_is(source: Path, tmp_path: Path) -> None:
    folder = small_model(source, sha256(source), tmp_path)
    manifest = json.loads((folder / MANIFEST_FILE).read_text())
    assert manifest["source_sha256"] == sha256(source)
    assert manifest["file_to_sha256"][NETWORK_FILE] == sha256(folder / NETWORK_FILE)
    assert 0.999 < manifest["least_cosine"] <= 1.0001


@pytest.mark.parametrize("file", [NETWORK_FILE, ROWS_FILE, MANIFEST_FILE])
def test_spoilt_file_is_made_anew(file: str, source: Path, tmp_path: Path) -> None:
    folder = small_model(source, sha256(source), tmp_path)
    right = (folder / NETWORK_FILE).read_bytes()
    (folder / file).write_bytes(b"{}")
    assert small_model(source, sha256(source), tmp_path) == folder
    assert (folder / NETWORK_FILE).read_bytes() == right
    assert json.loads((folder / MANIFEST_FILE).read_text())["recipe"] == module.RECIPE


def test_what_a_killed_process_left_behind_does_no_harm(source: Path, tmp_path: Path) -> None:
    left = tmp_path / f"{sha256(source)}-{module.RECIPE}.partial"
    left.mkdir()
    (left / NETWORK_FILE).write_bytes(b"half")
    folder = small_model(source, sha256(source), tmp_path)
    assert (folder / NETWORK_FILE).stat().st_size > 1000
    assert not left.exists()


def test_two_processes_at_once_make_one(source: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from routing.encoders.small_model import small_model, NETWORK_FILE\n"
        "folder = small_model(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))\n"
        "print((folder / NETWORK_FILE).stat().st_ino)"
    )
    command = [sys.executable, "-c", code, str(source), sha256(source), str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    inodes = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert len(inodes) == 1


def test_lock_that_is_never_freed_is_named(source: Path, tmp_path: Path) -> None:
    with (
        FileLock(tmp_path / f"{sha256(source)}-{module.RECIPE}.lock"),
        pytest.raises(EncoderUnavailable, match=r"Another process has held '.*\.lock' for 0\.05 s"),
    ):
        small_model(source, sha256(source), tmp_path, patience_seconds=0.05)


def test_source_that_is_no_network_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "model.onnx"
    broken.write_bytes(b"not a network")
    with pytest.raises(EncoderUnavailable, match=r"could not be made: .*DecodeError"):
        small_model(broken, sha256(broken), tmp_path / "cache")


def test_missing_onnx_is_told_with_the_remedy(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "onnx.py").write_text("raise ModuleNotFoundError(\"No module named 'onnx'\")")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EncoderUnavailable, match=r"No module named 'onnx'\. pip install onnx\."):
        small_model(source, sha256(source), tmp_path / "cache")


def test_network_without_int8_weights_is_refused(tmp_path: Path, source: Path) -> None:
    rewrite(source, tmp_path)
    with pytest.raises(NotRewritten, match="no int8 weights"):
        rewrite(tmp_path / NETWORK_FILE, tmp_path)


def test_int8_weight_in_an_unknown_place_is_refused(tmp_path: Path) -> None:
    write_network(tmp_path / "odd.onnx", consumer="Sub")
    with pytest.raises(NotRewritten, match="enters a 'Sub'; it should be a MatMul or a Gather"):
        rewrite(tmp_path / "odd.onnx", tmp_path)


def test_other_vectors_are_refused(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8_graph, "ZERO_POINT", 100)
    with pytest.raises(NotRewritten, match=r"have a cosine of .*; it should be 0\.99"):
        int8_graph.main(source, tmp_path)
