"""Pairs to tune with: of every kind, over every skill, and never a right skill among the wrong ones."""

from __future__ import annotations

from collections import Counter

import numpy as np

from skills.base import Provenance, Skill
from skills.training.encoder_tuning_pairs import (
    Pair,
    Shares,
    Similarities,
    hard_negatives,
    left_to_learn,
    queries_digest,
    sampled_pairs,
    tuning_half,
)
from skills.training.queries import LabelledQuery


def skill(number: int, body: str = "Do this and that.") -> Skill:
    return Skill(
        name=f"name {number}",
        description=f"describes {number}",
        body=body,
        id=f"s{number}",
        provenance=Provenance(source="test", sha256=""),
    )


def query(name: str, *gold: str) -> LabelledQuery:
    return LabelledQuery(query_id=name, text=f"text of {name}", gold=(gold,))


POOL = [skill(number) for number in range(40)]
QUERIES = [query(f"q{number}-{place}", f"s{number}") for number in range(30) for place in range(5)]


def test_pairs_are_of_every_kind_and_of_every_skill() -> None:
    pairs = sampled_pairs(POOL, QUERIES, count=100, shares=Shares(long=0.2, described=0.1, window=0.1), seed=0)
    assert len(pairs) == 100
    assert sum(pair.is_long for pair in pairs) == 20
    assert sum(pair.is_body for pair in pairs) == 20
    assert sum(pair.text.startswith("describes") for pair in pairs) == 10
    single = Counter(pair.right for pair in pairs if not pair.is_long and pair.text.startswith("text"))
    assert set(single) == set(range(30))
    assert max(single.values()) - min(single.values()) <= 1


def test_long_text_holds_several_queries_of_one_skill() -> None:
    for pair in sampled_pairs(POOL, QUERIES, count=100, shares=Shares(long=0.2), seed=1):
        if pair.is_long:
            assert pair.text.count(f"text of q{pair.right}-") in (3, 4)


def test_same_seed_gives_the_same_pairs() -> None:
    assert sampled_pairs(POOL, QUERIES, count=90, shares=Shares(), seed=3) == sampled_pairs(
        POOL, QUERIES, count=90, shares=Shares(), seed=3
    )
    assert sampled_pairs(POOL, QUERIES, count=90, shares=Shares(), seed=3) != sampled_pairs(
        POOL, QUERIES, count=90, shares=Shares(), seed=4
    )


def test_skill_without_a_body_is_found_by_its_head() -> None:
    pool = [skill(number, body=" ") for number in range(40)]
    pairs = sampled_pairs(pool, QUERIES, count=50, shares=Shares(long=0.0, described=0.5, window=0.5), seed=0)
    assert len(pairs) == 50
    assert not any(pair.is_body for pair in pairs)


def test_queries_whose_skills_the_pool_lacks_are_left_out() -> None:
    pairs = sampled_pairs(POOL, [query("q", "gone"), query("p", "s3")], count=10, shares=Shares(described=0), seed=0)
    assert [(pair.text, pair.right) for pair in pairs] == [("text of p", 3)]


def unit(*angles: float) -> np.ndarray:
    return np.array([[np.cos(angle), np.sin(angle)] for angle in angles], dtype=np.float32)


def test_copies_right_ones_and_those_nearer_than_the_right_one_are_never_held_against_a_text() -> None:
    # The text points to 0; the right skill, 0, to 0.7; 1 is its copy, 2 is nearer, 3 is acceptable, 4 and 5 are wrong.
    similarities = Similarities(heads=unit(0.7, 0.75, 0.1, -1.0, -1.2, 2.0), texts=unit(0.0))
    pair = Pair(text="t", right=0, acceptable=frozenset({0, 3}))
    assert similarities.allowed(0, pair, np.arange(6)).tolist() == [False, False, False, False, True, True]
    found = {hard_negatives([pair], similarities, seed=seed)[0] for seed in range(20)}
    assert found == {4, 5}


def test_halves_part_the_queries_and_keep_copies_together() -> None:
    queries = [*QUERIES, query("both", "s0", "s1"), query("more", "s1", "s2")]
    tuned, other = tuning_half(queries, seed=5)
    assert tuned | other == {query.query_id for query in queries}
    assert not tuned & other
    assert 0.35 < len(tuned) / len(queries) < 0.65
    by_skill: dict[str, set[bool]] = {}
    for one in queries:
        for skill_id in one.gold_ids:
            by_skill.setdefault(skill_id, set()).add(one.query_id in tuned)
    assert all(len(sides) == 1 for sides in by_skill.values())
    assert by_skill["s0"] == by_skill["s1"] == by_skill["s2"]


def test_only_queries_that_the_encoder_was_tuned_with_are_kept_from_the_ranker() -> None:
    tuned, other = tuning_half(QUERIES, seed=3)
    digest = queries_digest([query for query in reversed(QUERIES) if query.query_id in tuned])
    assert left_to_learn(QUERIES, seed=3, tuned_with=digest) == other
    assert left_to_learn(QUERIES, seed=3, tuned_with="of other queries") == tuned | other
