"""What is read of a text beside its embedding."""

from __future__ import annotations

import numpy as np
import pytest

from routing.predictors.hashed_words import BUCKETS, HashedWords
from routing.predictors.query_features import QueryFeatures
from routing.predictors.text_signals import SIGNAL_COUNT, text_signals
from tests.routing.small_data import small_dataset, small_inputs

ODD = ["", " ", "\n\n", "a", "é" * 5000, "x" * 1_000_000, "\x00", "\ud800", "🙂 🙂", "- f(a, b)\n- g()", "?" * 999]
TEXTS = [
    "Compute the area of a circle with radius 5 and of a square with side 3.\n\n- circle_area(radius)\n- run(x)",
    "Which of these is a mammal?\nA. shark\nB. whale\nC. trout",
    "def add(a, b):\n    return a + b",
    *ODD,
]


def test_signals_are_finite_and_of_one_width_for_any_text() -> None:
    signals = text_signals(TEXTS)
    assert signals.shape == (len(TEXTS), SIGNAL_COUNT)
    assert np.isfinite(signals).all()


def test_signals_of_a_text_do_not_depend_on_its_batch() -> None:
    together = text_signals(TEXTS)
    assert all(np.array_equal(text_signals([text])[0], row) for text, row in zip(TEXTS, together, strict=True))


def test_signals_see_whether_the_offered_function_fits_what_is_asked() -> None:
    fits, misfits = (
        "What is the area of a circle of radius 5?\n\n- circle_area(radius): area of a circle",
        "What is the area of a circle of radius 5?\n\n- book_flight(city): books a flight",
    )
    assert not np.allclose(*text_signals([fits, misfits]))


def test_no_text_gives_an_empty_matrix() -> None:
    assert text_signals([]).shape == (0, SIGNAL_COUNT)


@pytest.mark.parametrize("kind", ["words", "letters"])
def test_like_texts_come_out_near_each_other(kind: str) -> None:
    data = small_dataset(queries=120)
    hashed = HashedWords.fit(kind, data.texts, dimension=16)
    vectors = hashed(data.texts)
    near = vectors @ vectors.T
    same = np.array([[one == other for other in data.tasks] for one in data.tasks])
    assert near[same].mean() > near[~same].mean() + 0.1


@pytest.mark.parametrize("kind", ["words", "letters"])
def test_hashed_words_survive_saving_bit_by_bit(kind: str) -> None:
    hashed = HashedWords.fit(kind, TEXTS[:3] * 3, dimension=4)
    again = HashedWords.restore(kind, hashed.arrays())
    assert np.array_equal(again(TEXTS), hashed(TEXTS))
    assert np.isfinite(again(TEXTS)).all()


def test_hashed_words_of_another_size_are_refused() -> None:
    arrays = HashedWords.fit("words", TEXTS[:3] * 3, dimension=2).arrays()
    with pytest.raises(ValueError, match="shape"):
        HashedWords.restore("words", {**arrays, "weights": np.zeros(BUCKETS // 2)})


def test_features_are_centred_on_training_and_survive_saving() -> None:
    inputs = small_inputs(small_dataset(queries=80))
    features = QueryFeatures.fit(inputs)
    rows = features(inputs)
    assert rows.shape == (80, features.dimension)
    assert np.abs(rows.mean(axis=0)).max() < 1e-9
    assert np.array_equal(QueryFeatures.restore(features.arrays())(inputs), rows)
