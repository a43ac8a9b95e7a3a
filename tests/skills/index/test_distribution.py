"""Standardised similarities from mean and covariance alone equal those over all vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skills.index.building import build_index
from skills.index.dense import FEW, head_statistics
from skills.index.distribution import Distribution, unit
from skills.index.opened import open_current
from tests.skills.index.pools import CountingEncoder, skills


def test_standardised_as_over_all_vectors() -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(500, 16)) + 1).astype(np.float32)
    query = rng.normal(size=16).astype(np.float32)
    every = vectors @ query
    found = Distribution.of([vectors[:200], vectors[200:]], dimension=16).standardised(every, query)
    np.testing.assert_allclose(found, (every - every.mean()) / every.std(), atol=1e-3)


def test_equal_vectors_say_nothing() -> None:
    vectors = np.ones((5, 4), dtype=np.float32)
    distribution = Distribution.of([vectors], dimension=4)
    assert not distribution.standardised(vectors @ vectors[0], np.zeros(4, dtype=np.float32)).any()
    assert not unit(np.zeros((2, 3), dtype=np.float32)).any()


def test_what_all_heads_share_is_taken_away() -> None:
    rng = np.random.default_rng(1)
    heads = unit(np.asarray(rng.normal(size=(400, 8)), dtype=np.float32) + 5).astype(np.float16)
    statistics = head_statistics(heads)
    np.testing.assert_allclose(statistics.common, heads.mean(axis=0) * 400 / (400 + FEW), atol=1e-3)
    centred = statistics.centred(heads.astype(np.float32))
    assert np.abs((centred @ centred.T).mean()) < 0.2 < (heads @ heads.T).mean()


@pytest.mark.parametrize("count", [1, 2, 300])
def test_small_and_large_libraries_find_their_own_heads(tmp_path: Path, count: int) -> None:
    build_index(skills(count), tmp_path, encoder=CountingEncoder())
    opened = open_current(tmp_path, encoder=None)
    heads = opened.vectors.heads(np.arange(count))
    np.testing.assert_array_equal(heads, opened.vectors.of(np.arange(count))[:, 0])
    found = opened.segments[0].vectors.nearest(heads, 1, opened.removed)
    assert [rows.tolist() for rows in found] == [[row] for row in range(count)]
