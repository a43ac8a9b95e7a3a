"""Vectors of texts as sums of learned words."""

from __future__ import annotations

import numpy as np
import pytest

from skills.ranking.base import TermCounts
from skills.ranking.learned_words import LearnedWords
from skills.term_digest import term_digest

WORDS = ("pen", "paper", "dog")
TABLE = {"pen": [1, 0], "paper": [0.8, 0.6], "dog": [0, 1]}


def words() -> LearnedWords:
    ordered = sorted(WORDS, key=term_digest)
    table = np.array([TABLE[word] for word in ordered], dtype=np.float32)
    digests = np.array([term_digest(word) for word in ordered], dtype=np.uint64)
    return LearnedWords.of(digests, table, table)


def counts(*numbers: float) -> np.ndarray:
    return np.array(numbers, dtype=np.float32)


def test_query_is_the_sum_of_its_known_words() -> None:
    found = words().query_vectors(
        [["pen"], ["dog", "pen"], ["cat"], []], [counts(3), counts(1, 1), counts(1), counts()]
    )
    assert np.allclose(found, [[1, 0], [0.7071, 0.7071], [0, 0], [0, 0]], atol=1e-2)


def test_repeated_word_counts_less_than_twice() -> None:
    once, often = words().query_vectors([["dog", "pen"]] * 2, [counts(1, 1), counts(9, 1)])
    assert once[1] < often[1] < 0.9


def test_skill_weighs_its_name_above_its_body_and_passes_over_unknown_terms() -> None:
    known = words()
    places = known.places(np.array([term_digest(word) for word in ("pen", "dog", "cat")], dtype=np.uint64))
    nothing = TermCounts(offsets=np.array([0, 0]), terms=np.zeros(0, np.uint32), counts=np.zeros(0, np.uint16))
    name = TermCounts(offsets=np.array([0, 1]), terms=np.array([0], np.uint32), counts=np.array([1], np.uint16))
    body = TermCounts(offsets=np.array([0, 2]), terms=np.array([1, 2], np.uint32), counts=np.array([1, 9], np.uint16))
    vector = known.skill_vectors({"name": name, "description": nothing, "body": body}, places)
    assert vector.shape == (1, 2)
    assert vector[0, 0] > vector[0, 1] > 0
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-3)


def test_no_known_word_at_all_is_the_zero_vector() -> None:
    known = words()
    places = known.places(np.array([term_digest("cat")], dtype=np.uint64))
    field = TermCounts(offsets=np.array([0, 1]), terms=np.array([0], np.uint32), counts=np.array([1], np.uint16))
    assert not known.skill_vectors({"name": field, "description": field, "body": field}, places).any()


def test_tables_that_do_not_fit_are_refused() -> None:
    own = dict(words().arrays)
    with pytest.raises(ValueError, match="ascending"):
        LearnedWords({**own, "digests": own["digests"][::-1].copy()})
    with pytest.raises(ValueError, match="do not fit 3 words"):
        LearnedWords({**own, "skills": own["skills"][:2]})
    with pytest.raises(ValueError, match="int8"):
        LearnedWords({**own, "skills": own["skills"].astype(np.float32)})
