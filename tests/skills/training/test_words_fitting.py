"""Words learn what they mean from who asks for what."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from skills.training.words_fitting import TEMPERATURE, Bags, WordsFitting, WordsSettings, WordTable, counted, learn

SKILLS, WORDS = 20, 60  # skill i has words i and 20 + i; queries say 40 + i instead
ASKED = 200  # queries a skill
DIGESTS = np.random.default_rng(2).permutation(WORDS).astype(np.uint64)
SETTINGS = WordsSettings(dimension=12, epochs=6)


def fitting() -> WordsFitting:
    rng = np.random.default_rng(0)
    names = counted([{skill: 1.0, (skill + 1) % SKILLS: 1.0} for skill in range(SKILLS)], WORDS)
    bodies = counted([{20 + skill: 2.0, 20 + (skill + 3) % SKILLS: 1.0} for skill in range(SKILLS)], WORDS)
    nothing = counted([{} for _ in range(SKILLS)], WORDS)
    asked = counted([{40 + skill: 1.0, int(rng.integers(0, 40)): 1.0} for skill in list(range(SKILLS)) * ASKED], WORDS)
    return WordsFitting(Bags(names, names, bodies, nothing), asked, DIGESTS, SETTINGS)


def pairs() -> np.ndarray:
    return np.array([(place, place % SKILLS) for place in range(ASKED * SKILLS)])


def test_words_that_only_queries_have_find_their_skills() -> None:
    own = fitting()
    learned = own.fit(pairs())
    place = learned.places(DIGESTS)
    queries, skills = (learned.arrays[name].astype(np.float32)[place] for name in ("queries", "skills"))
    similar = queries[40:] @ skills[:SKILLS].T
    assert np.mean([best in (skill, (skill + 1) % SKILLS) for skill, best in enumerate(similar.argmax(axis=1))]) > 0.8


def test_same_seed_gives_the_same_words() -> None:
    assert fitting().fit(pairs()).sha256 == fitting().fit(pairs()).sha256


def test_loss_falls_and_its_gradient_is_that_of_differences() -> None:
    rng = np.random.default_rng(1)
    start = rng.normal(size=(6, 4)).astype(np.float32)
    asked = csr_matrix(rng.random((3, 6)).astype(np.float32))
    told = csr_matrix(rng.random((3, 6)).astype(np.float32))
    answers = np.arange(3)

    def loss(values: np.ndarray) -> float:
        left, right = WordTable(values.astype(np.float32)), WordTable(start)
        scores = left.vectors(asked)[0] @ right.vectors(told)[0].T / TEMPERATURE
        return float(np.mean(np.log(np.exp(scores).sum(axis=1)) - np.diagonal(scores)))

    left, right = WordTable(start), WordTable(start)
    before = learn(left, asked, right, told, answers=answers, rate=1e-3)
    moved = np.sign(start - left.values)  # Adam's first step goes against the gradient's sign
    step = 1e-2
    for row, column in ((0, 0), (2, 3), (5, 1)):
        shifted = start.copy()
        shifted[row, column] += step
        lower = start.copy()
        lower[row, column] -= step
        assert np.sign(loss(shifted) - loss(lower)) == moved[row, column]
    assert np.isclose(before, loss(start), atol=1e-3)
    for _ in range(50):
        after = learn(left, asked, right, told, answers=answers, rate=1e-2)
    assert after < before / 2


def test_same_answer_is_not_held_against_itself() -> None:
    table = csr_matrix(np.eye(2, dtype=np.float32))
    left, right = WordTable(np.eye(2, dtype=np.float32)), WordTable(np.eye(2, dtype=np.float32))
    assert learn(left, table, right, table, answers=np.array([7, 7]), rate=0.1) == 0
    assert (left.values == np.eye(2)).all()


def test_pool_without_a_single_shared_word_is_no_error() -> None:
    nothing = counted([{} for _ in range(3)], 2)
    empty = WordsFitting(
        Bags(nothing, nothing, nothing, nothing), counted([{}], 2), np.array([1, 2], dtype=np.uint64), SETTINGS
    )
    assert len(empty.fit(np.array([[0, 0]]))) == 0
