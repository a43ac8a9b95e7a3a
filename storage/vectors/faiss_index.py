"""Nearest vectors by inner product, on CPU or GPU; the home of faiss."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from storage.errors import InvalidInput, StorageUnavailable

if TYPE_CHECKING:
    import faiss

Kind = Literal["flat", "inverted"]
Floats = NDArray[np.float32]
Places = NDArray[np.int64]

FLAT_LIMIT = 100_000  # vectors: up to here a scan of them all takes some 8 ms on one core
LIST_EXAMPLES = 40  # vectors a list that the lists' centres are learned from
VECTORS_AT_ONCE = 50_000  # converted to float32 when adding
SAMPLE = 200  # queries that recall is measured with
RECALL_DEPTH = 50
LEANING = 0.5  # of another vector in such a query: asked with themselves, vectors are found too easily
WANTED_RECALL = 0.95  # of the exact nearest 50: so many lists are probed as this takes
MOST_PROBES = 256
MOST_ON_GPU = 2_048  # results of one search, faiss's own limit
SEED = 0

Vectors = NDArray[np.float16] | NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class VectorIndexReport:
    """What was built and how near to exact search it comes."""

    kind: Kind
    vectors: int
    lists: int  # 0: flat
    probes: int  # lists that a search looks into
    recall_at_50: float  # share of the exact nearest 50 that is found, over queries between two vectors
    seconds: float


class VectorIndex:
    """A faiss index of unit vectors, numbered from 0 in the order they were added.

    Flat (exact) up to FLAT_LIMIT vectors; beyond that inverted lists around learned centres; float16 in both. On a
    machine with a GPU that faiss can see, the whole index is copied there. May be searched from many threads.
    """

    def __init__(self, index: faiss.Index, *, probes: int, is_on_gpu: bool) -> None:
        self._index = index
        self._probes = probes
        self.is_on_gpu = is_on_gpu

    @property
    def count(self) -> int:
        return int(self._index.ntotal)

    def search(self, queries: Floats, top: int, *, hidden: Places | None = None) -> tuple[Floats, Places]:
        """Similarities and numbers, each (queries, top), best first; number -1 where there are no more.

        `hidden`: numbers that must not be found.
        """
        import faiss

        top = min(top, self.count)
        if top == 0 or len(queries) == 0:
            return np.zeros((len(queries), 0), dtype=np.float32), np.zeros((len(queries), 0), dtype=np.int64)
        wanted = top
        if self.is_on_gpu:  # which takes no selector, and no more than MOST_ON_GPU
            top = min(top, MOST_ON_GPU)
            wanted = min(self.count, MOST_ON_GPU, top + (0 if hidden is None else len(hidden)))
        parameters = self._parameters(None if self.is_on_gpu else hidden)
        faiss.omp_set_num_threads(1)  # of this thread: one search does not gain by more
        similarities, numbers = self._index.search(np.ascontiguousarray(queries), wanted, params=parameters)
        if wanted > top and hidden is not None:
            return _without(similarities, numbers, hidden, top)
        return similarities, numbers

    def _parameters(self, hidden: Places | None) -> faiss.SearchParameters | None:
        import faiss

        given: dict[str, Any] = {}
        if hidden is not None and len(hidden):
            shown = np.ones(self.count, dtype=bool)
            shown[hidden] = False
            bitmap: Any = faiss.IDSelectorBitmap  # its typing knows only the C++ arguments
            given["sel"] = bitmap(np.packbits(shown, bitorder="little"))
        if self._probes:
            inverted: Any = faiss.SearchParametersIVF
            return cast("faiss.SearchParameters", inverted(nprobe=self._probes, **given))
        return faiss.SearchParameters(**given) if given else None


def open_vector_index(path: Path, *, probes: int, use_gpu: bool = True) -> VectorIndex:
    """Maps the file into memory. `probes`: as reported when it was built. Raises InvalidInput, StorageUnavailable."""
    import faiss

    if not path.exists():
        raise InvalidInput(f"There is no vector index at {str(path)!r}.", field="index")
    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        on_gpu = use_gpu and faiss.get_num_gpus() > 0
        if on_gpu:
            index = _on_gpu(index)
    except RuntimeError as exc:  # all that faiss raises
        raise StorageUnavailable(f"The vector index {str(path)!r} cannot be read: {exc}.") from exc
    return VectorIndex(index, probes=probes, is_on_gpu=on_gpu)


def build_vector_index(
    vectors: Vectors, path: Path, *, flat_limit: int = FLAT_LIMIT, on_step: Callable[[str], None] | None = None
) -> VectorIndexReport:
    """Writes the index of unit vectors (count, dimension) to `path`. Raises StorageUnavailable."""
    import faiss

    started = time.monotonic()
    tell = on_step or (lambda step: None)
    count, dimension = vectors.shape
    if count <= flat_limit:
        index = _flat(dimension)
        _add(index, vectors)
        kind: Kind = "flat"
        lists = probes = 0
        recall = 1.0
    else:
        kind, lists = "inverted", _lists(count)
        tell("learning the centres of the vectors")
        index = _inverted(vectors, lists)
        tell("filing the vectors")
        _add(index, vectors)
        tell("measuring recall")
        probes, recall = _enough_probes(index, vectors)
    try:
        faiss.write_index(index, str(path))
    except RuntimeError as exc:
        raise StorageUnavailable(f"The vector index {str(path)!r} cannot be written: {exc}.") from exc
    return VectorIndexReport(
        kind=kind,
        vectors=count,
        lists=lists,
        probes=probes,
        recall_at_50=round(recall, 4),
        seconds=round(time.monotonic() - started, 2),
    )


def exact_search(vectors: Vectors, queries: Floats, top: int) -> tuple[Floats, Places]:
    """What an index is measured against: all inner products. As `VectorIndex.search`."""
    best = np.full((len(queries), 0), -np.inf, dtype=np.float32)
    numbers = np.zeros((len(queries), 0), dtype=np.int64)
    for first in range(0, len(vectors), VECTORS_AT_ONCE):
        found = queries @ np.asarray(vectors[first : first + VECTORS_AT_ONCE], dtype=np.float32).T
        here = np.broadcast_to(np.arange(first, first + found.shape[1]), found.shape)
        best, numbers = np.concatenate([best, found], axis=1), np.concatenate([numbers, here], axis=1)
        kept = np.argsort(-best, axis=1, kind="stable")[:, :top]
        best, numbers = np.take_along_axis(best, kept, axis=1), np.take_along_axis(numbers, kept, axis=1)
    return best, numbers


def _lists(count: int) -> int:
    """The power of two nearest to twice the root: a list holds some hundreds."""
    return int(2 ** round(np.log2(2 * np.sqrt(count))))


def _flat(dimension: int) -> faiss.Index:
    import faiss

    return faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)


def _on_gpu(index: faiss.Index) -> faiss.Index:
    """The same vectors on the first GPU; a flat index of float16 has another class there."""
    import faiss

    resources = faiss.StandardGpuResources()
    if isinstance(index, faiss.IndexIVF):
        return faiss.index_cpu_to_gpu(resources, 0, index)
    options = faiss.GpuIndexFlatConfig()
    options.useFloat16 = True
    copied = faiss.GpuIndexFlatIP(resources, index.d, options)
    for first in range(0, index.ntotal, VECTORS_AT_ONCE):
        copied.add(index.reconstruct_n(first, min(VECTORS_AT_ONCE, index.ntotal - first)))
    return copied


def _inverted(vectors: Vectors, lists: int) -> faiss.IndexIVF:
    import faiss

    dimension = vectors.shape[1]
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimension),
        dimension,
        lists,
        faiss.ScalarQuantizer.QT_fp16,
        faiss.METRIC_INNER_PRODUCT,
        False,
    )
    index.cp.seed = SEED
    drawn = np.random.default_rng(SEED).choice(len(vectors), min(len(vectors), LIST_EXAMPLES * lists), replace=False)
    index.train(np.asarray(vectors[np.sort(drawn)], dtype=np.float32))
    return index


def _add(index: faiss.Index, vectors: Vectors) -> None:
    for first in range(0, len(vectors), VECTORS_AT_ONCE):
        index.add(np.ascontiguousarray(vectors[first : first + VECTORS_AT_ONCE], dtype=np.float32))


def _enough_probes(index: faiss.IndexIVF, vectors: Vectors) -> tuple[int, float]:
    """The smallest power of two of lists that finds WANTED_RECALL of the exact ones, and what it finds."""
    queries = _sample(vectors)
    _, exact = exact_search(vectors, queries, RECALL_DEPTH)
    probes = 4
    while True:
        index.nprobe = probes
        _, found = index.search(queries, RECALL_DEPTH)
        recall = float(np.mean([len(np.intersect1d(a, b)) for a, b in zip(exact, found, strict=True)])) / exact.shape[1]
        if recall >= WANTED_RECALL or probes >= min(MOST_PROBES, index.nlist):
            return probes, recall
        probes *= 2


def _sample(vectors: Vectors) -> Floats:
    """Queries that lie between two vectors, nearer to the first."""
    near, far = np.random.default_rng(SEED + 1).integers(0, len(vectors), (2, SAMPLE))
    mixed = np.stack([vectors[a].astype(np.float32) + LEANING * vectors[b] for a, b in zip(near, far, strict=True)])
    return np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), dtype=np.float32)


def _without(similarities: Floats, numbers: Places, hidden: Places, top: int) -> tuple[Floats, Places]:
    """The first `top` of each row that are not hidden; there are so many, for that many more were asked for."""
    order = np.argsort(np.isin(numbers, hidden), axis=1, kind="stable")[:, :top]
    kept = np.take_along_axis(numbers, order, axis=1)
    return np.take_along_axis(similarities, order, axis=1), np.where(np.isin(kept, hidden), -1, kept)
