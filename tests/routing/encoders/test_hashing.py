"""The encoder without a model: unit vectors, nearness by spelling, any text."""

from __future__ import annotations

import numpy as np
import pytest

from routing.encoders.hashing import HashingEncoder

STABLE_PLACES = [1, 2, 6, 11, 12, 14]  # of the word 'stable' in 16 buckets, taken down once


def test_shared_words_make_texts_near() -> None:
    vectors = HashingEncoder().encode(["convert miles to km", "convert yards to km", "who wrote that novel"])
    assert vectors[0] @ vectors[1] > 0.3 + vectors[0] @ vectors[2]


def test_numbers_are_all_alike() -> None:
    vectors = HashingEncoder().encode(["add 12 and 7", "add 480 and 9913"])
    assert vectors[0] @ vectors[1] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("text", ["", " ", "\ud800", "x" * 1_000_000, "🦜🦜", "a b a b"])
def test_any_text_has_a_unit_vector(text: str) -> None:
    vectors = HashingEncoder(dimension=64).encode([text, "other"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors.dtype == np.float32


def test_its_name_says_that_it_is_no_sentence_encoder() -> None:
    assert HashingEncoder(dimension=256).name == "hashing-256 (no sentence encoder)"


def test_the_vectors_are_the_same_everywhere() -> None:
    vector = HashingEncoder(dimension=16).encode(["stable"])[0]
    assert np.flatnonzero(vector).tolist() == STABLE_PLACES
