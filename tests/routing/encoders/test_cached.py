"""The remembering encoder: a repeated text costs nothing, and memory is bounded."""

from __future__ import annotations

import numpy as np

from routing.encoders.cached import CachedEncoder
from tests.routing.doubles import RecordingEncoder


def test_repeated_text_is_encoded_once() -> None:
    inner = RecordingEncoder()
    cached = CachedEncoder(inner)
    first = cached.encode(["a", "b", "a"])
    second = cached.encode(["b", "c", "a"])
    assert inner.batches == [["a", "b"], ["c"]]
    np.testing.assert_array_equal(first[[1, 2]], second[[0, 2]])
    np.testing.assert_array_equal(first, inner.encode(["a", "b", "a"]))


def test_texts_used_longest_ago_are_forgotten() -> None:
    cached = CachedEncoder(RecordingEncoder(), capacity=2)
    cached.encode(["a", "b"])
    cached.encode(["a"])
    cached.encode(["c"])
    assert [cached.has(text) for text in "abc"] == [True, False, True]


def test_batch_larger_than_the_memory_is_answered_whole() -> None:
    inner = RecordingEncoder()
    texts = [f"text {number}" for number in range(10)]
    np.testing.assert_array_equal(CachedEncoder(inner, capacity=2).encode(texts), inner.encode(texts))


def test_no_texts_give_no_vectors() -> None:
    assert CachedEncoder(RecordingEncoder()).encode([]).shape == (0, 8)


def test_it_passes_for_the_encoder_inside() -> None:
    cached = CachedEncoder(RecordingEncoder())
    assert (cached.name, cached.dimension) == ("recording-8", 8)
