"""Past queries vote for the skills that answered them."""

from __future__ import annotations

import numpy as np
import pytest

from skills.ranking.past_queries import PastQueries
from skills.training.memory_fitting import Answered, fit_head, past_queries
from skills.training.pool_words import QueryWords

DIMENSION = 8


def answered() -> Answered:
    """Skill 0 is asked about pens, 1 about dogs, 2 about both at once; nobody asks for 3."""
    rng = np.random.default_rng(0)
    axes = np.eye(DIMENSION, dtype=np.float32)
    kinds = [0, 1, 2] * 20
    directions = {0: axes[0], 1: axes[1], 2: axes[2]}
    vectors = np.array([directions[kind] + 0.1 * rng.normal(size=DIMENSION) for kind in kinds], dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    stems = {0: ("ink", "pen"), 1: ("bark", "dog"), 2: ("dog", "pen")}
    golds = {0: [0], 1: [1], 2: [0, 1, 2]}
    return Answered(
        vectors=vectors,
        words=[QueryWords(stems=stems[kind], counts=np.ones(2, dtype=np.float32)) for kind in kinds],
        golds=[np.array(golds[kind]) for kind in kinds],
        skills=4,
    )


def test_nearest_queries_vote_for_their_skills() -> None:
    past = past_queries(answered())
    votes = past.votes(np.eye(DIMENSION, dtype=np.float32)[:2], [past.words(("pen",), np.ones(1, np.float32))] * 2)
    assert votes[0].votes.argmax() == 0
    assert votes[1].votes.argmax() == 1
    assert votes[0].votes[3] == votes[0].best[3] == 0
    assert votes[0].best[0] > 0.9
    assert votes[0].together[1] > 0  # it came with skill 0


def test_query_itself_does_not_vote_when_it_is_excluded() -> None:
    own = answered()
    past = past_queries(own.take(np.array([0, 1])))
    words = [past.words(own.words[0].stems, own.words[0].counts)]
    assert past.votes(own.vectors[:1], words)[0].votes.tolist() == pytest.approx([1, 0, 0, 0], abs=0.01)
    excluded = past.votes(own.vectors[:1], words, excluded=np.array([0]))[0]
    assert excluded.votes.tolist() == [0, 1, 0, 0]
    assert excluded.word_votes.tolist() == [0, 0, 0, 0]


def test_head_learns_who_is_asked_for_and_nobody_else() -> None:
    own = answered()
    past = past_queries(own)
    head = fit_head(past, own, np.arange(60), epochs=30, seed=0)
    words = [past.words(query.stems, query.counts) for query in own.words[:3]]
    found = head.probabilities(own.vectors[:3], words)
    assert found[:2].argmax(axis=1).tolist() == [0, 1]
    assert found[2, :3] == pytest.approx([1 / 3] * 3, abs=0.15)
    assert found[:, 3].max() < 1e-6
    assert found.sum(axis=1) == pytest.approx([1, 1, 1], abs=1e-4)


def test_same_seed_gives_the_same_head() -> None:
    own = answered()
    past = past_queries(own)
    one, two = (fit_head(past, own, np.arange(60), epochs=2, seed=5) for _ in range(2))
    assert (one.arrays["vector_weights"] == two.arrays["vector_weights"]).all()


def test_memory_without_words_or_queries_says_nothing() -> None:
    past = past_queries(answered().take(np.zeros(0, dtype=np.int64)))
    votes = past.votes(np.ones((1, DIMENSION), np.float32), [past.words(("pen",), np.ones(1, np.float32))])
    assert (votes[0].votes.tolist(), votes[0].similarity) == ([0, 0, 0, 0], 0)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("gold_skills", lambda array: array + 9),
        ("gold_offsets", lambda array: array[:-1]),
        ("posting_queries", lambda array: array - 99),
        ("posting_weights", lambda array: array[1:]),
        ("word_idf", lambda array: array[1:]),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(name: str, change: object) -> None:
    arrays = dict(past_queries(answered()).arrays)
    assert callable(change)
    with pytest.raises(ValueError, match=r"within|divide|lengths|together"):
        PastQueries({**arrays, name: change(arrays[name])}, skills=4)
