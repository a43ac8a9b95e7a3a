"""Nearest vectors: the same as by exact search, or nearly so, and none that is hidden."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from storage.errors import InvalidInput, StorageUnavailable
from storage.vectors.faiss_index import build_vector_index, exact_search, open_vector_index

WANTED_RECALL = 0.85


def vectors(count: int, *, seed: int = 0, dimension: int = 24) -> NDArray[np.float16]:
    """In clouds, as those of texts are."""
    draw = np.random.default_rng(seed)
    made = np.random.default_rng(7).standard_normal((40, dimension))[draw.integers(0, 40, count)]
    made = made + 0.6 * draw.standard_normal((count, dimension))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float16)


def recall(found: NDArray[np.int64], exact: NDArray[np.int64]) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, exact, strict=True)]))


@pytest.mark.parametrize("flat_limit", [100_000, 100], ids=["flat", "inverted"])
def test_what_is_found_is_what_exact_search_finds(tmp_path: Path, flat_limit: int) -> None:
    kept, queries = vectors(3000), vectors(50, seed=1).astype(np.float32)
    report = build_vector_index(kept, tmp_path / "index", flat_limit=flat_limit)
    assert (report.kind, report.vectors) == ("flat" if flat_limit > 3000 else "inverted", 3000)
    assert (report.lists > 0) == (report.probes > 0) == (report.kind == "inverted")
    assert report.recall_at_50 >= WANTED_RECALL
    index = open_vector_index(tmp_path / "index", probes=report.probes)
    similarities, numbers = index.search(queries, 20)
    exact_similarities, exact_numbers = exact_search(kept, queries, 20)
    assert recall(numbers, exact_numbers) > (0.99 if report.kind == "flat" else WANTED_RECALL)
    assert (np.diff(similarities, axis=1) <= 0).all()
    np.testing.assert_allclose(similarities[:, 0], exact_similarities[:, 0], atol=2e-3)


@pytest.mark.parametrize("flat_limit", [100_000, 100], ids=["flat", "inverted"])
def test_hidden_vectors_are_not_found_and_others_take_their_places(tmp_path: Path, flat_limit: int) -> None:
    kept, queries = vectors(1000), vectors(10, seed=1).astype(np.float32)
    report = build_vector_index(kept, tmp_path / "index", flat_limit=flat_limit)
    index = open_vector_index(tmp_path / "index", probes=report.probes)
    hidden = np.unique(index.search(queries, 5)[1])
    _, numbers = index.search(queries, 5, hidden=hidden)
    assert not np.isin(numbers, hidden).any()
    assert (numbers >= 0).all()


def test_few_vectors_are_all_found(tmp_path: Path) -> None:
    report = build_vector_index(vectors(3), tmp_path / "index")
    index = open_vector_index(tmp_path / "index", probes=report.probes)
    assert sorted(index.search(vectors(1, seed=1).astype(np.float32), 50)[1][0].tolist()) == [0, 1, 2]
    _, numbers = index.search(vectors(1, seed=1).astype(np.float32), 3, hidden=np.array([1]))
    assert sorted(numbers[0].tolist()) == [-1, 0, 2]


def test_no_vectors_are_an_index_too(tmp_path: Path) -> None:
    report = build_vector_index(vectors(0), tmp_path / "index")
    index = open_vector_index(tmp_path / "index", probes=report.probes)
    assert index.search(vectors(2).astype(np.float32), 5)[1].shape == (2, 0)


def test_file_that_is_no_index_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index").write_bytes(b"something else" * 100)
    with pytest.raises(StorageUnavailable, match="cannot be read"):
        open_vector_index(tmp_path / "index", probes=0)
    with pytest.raises(InvalidInput, match="no vector index"):
        open_vector_index(tmp_path / "nothing", probes=0)
    with pytest.raises(StorageUnavailable, match="cannot be written"):
        build_vector_index(vectors(3), tmp_path / "nowhere" / "index")
