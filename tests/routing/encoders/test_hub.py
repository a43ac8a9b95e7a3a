"""Encoders from a model hub: a real HTTP server on loopback that answers as a hub does."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from routing.encoders.hub import HubEncoder
from routing.encoders.minilm import MODEL_PLACE, TOKENIZER_PLACE, MiniLMEncoder
from routing.errors import EncoderUnavailable
from routing.registry import choose_encoder

COMMIT = "a" * 40


def packaged(package: str, inside: str) -> Path:
    spec = find_spec(package)
    assert spec is not None and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / inside


FILES = {"onnx/model.onnx": packaged(*MODEL_PLACE), "tokenizer.json": packaged(*TOKENIZER_PLACE)}


class Hub(BaseHTTPRequestHandler):
    """Serves the files of one repository, `org/encoder`, at one commit."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        _, _, name = self.path.partition("/resolve/main/")
        if not self.path.startswith("/org/encoder/resolve/") or name not in FILES:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.end_headers()
            return
        body = FILES[name].read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_encoder_of_a_hub_encodes_as_its_file_does(hub: str, tmp_path: Path) -> None:
    encoder = HubEncoder("hub:org/encoder", cache_dir=tmp_path, endpoint=hub)
    assert encoder.name == f"hub:org/encoder@{COMMIT[:12]}"
    same = MiniLMEncoder(model_path=FILES["onnx/model.onnx"], tokenizer_path=FILES["tokenizer.json"])
    texts = ["What is the capital of France?", "def add(a, b): return a + b"]
    assert encoder.dimension == 384
    assert np.array_equal(encoder.encode(texts), same.encode(texts))


def test_unknown_model_is_told(hub: str, tmp_path: Path) -> None:
    with pytest.raises(EncoderUnavailable, match="org/nothing"):
        HubEncoder("hub:org/nothing", cache_dir=tmp_path, endpoint=hub)


def test_hub_out_of_reach_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EncoderUnavailable, match="cannot be reached") as refused:
        HubEncoder("hub:org/encoder", cache_dir=tmp_path, endpoint="http://127.0.0.1:9")
    assert "minilm" in str(refused.value.hint)


def test_name_of_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(EncoderUnavailable, match="ORGANISATION/NAME"):
        choose_encoder("hub:a/b/c", cache_dir=tmp_path)
