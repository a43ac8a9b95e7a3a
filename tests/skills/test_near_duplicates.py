"""Copies among many texts: which are found, which are not, and how that compares with those the data's makers named."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from skills.base import Provenance, Skill
from skills.near_duplicates import Copy, CopyGroup, near_duplicates
from storage.errors import InvalidInput

DATA = Path(__file__).parents[3] / "shared" / "data" / "skills" / "store"
WORDS = [f"word{n}" for n in range(3000)]


def skill(id: str, body: str, *, name: str = "tidy", description: str = "Tidies up.") -> Skill:
    provenance = Provenance(source=f"pool:{id}", sha256="0" * 64)
    return Skill(id=id, name=name, description=description, body=body, provenance=provenance)


def text(seed: int, *, words: int = 400) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def with_changes(original: str, *, every: int) -> str:
    """Each `every`-th word replaced."""
    return " ".join("changed" if place % every == 0 else word for place, word in enumerate(original.split(), start=1))


def test_same_name_and_text_elsewhere_is_an_exact_copy() -> None:
    groups = near_duplicates(
        [skill("a", text(1)), skill("b", text(2)), skill("c", text(1), description="Other words.")]
    )
    assert groups == [CopyGroup(first="a", copies=(Copy(skill_id="c", similarity=1.0, is_exact=True),))]
    assert groups[0].skill_ids == ("a", "c")


def test_text_with_few_changes_is_a_copy_and_its_similarity_is_counted() -> None:
    original = text(1)
    (group,) = near_duplicates([skill("a", original), skill("b", with_changes(original, every=60))])
    (copy,) = group.copies
    changed = 6 * 5  # six words, each in five runs of five
    runs = 400 + len(["tidy", "Tidies", "up"]) - 4
    assert copy.similarity == pytest.approx((runs - changed) / (runs + changed))
    assert not copy.is_exact


def test_text_with_many_changes_is_none() -> None:
    assert near_duplicates([skill("a", text(1)), skill("b", with_changes(text(1), every=8))]) == []


def test_same_name_alone_makes_no_copy() -> None:
    assert near_duplicates([skill("a", text(1)), skill("b", text(2))]) == []


def test_small_differences_do_not_tie_two_different_texts_together() -> None:
    steps = [text(1)]
    for step in range(8):
        words = steps[-1].split()
        words[step * 50 : step * 50 + 50] = text(100 + step, words=50).split()
        steps.append(" ".join(words))
    groups = near_duplicates([skill(f"step{n}", body) for n, body in enumerate(steps)])
    assert len(groups) > 1
    assert all(copy.similarity >= 0.6 for group in groups for copy in group.copies)
    assert not any({"step0", "step8"} <= set(group.skill_ids) for group in groups)


def test_exact_copies_of_a_near_copy_join_its_group() -> None:
    near = with_changes(text(1), every=60)
    (group,) = near_duplicates([skill("a", text(1)), skill("b", near), skill("c", text(1)), skill("d", near)])
    assert group.skill_ids == ("a", "b", "c", "d")
    assert [copy.is_exact for copy in group.copies] == [False, True, False]


def test_operations_of_one_description_differ_by_their_parameters() -> None:
    one = replace(skill("a", "", name="get"), kind="operation", parameters={"properties": {"city": {"type": "string"}}})
    two = replace(one, id="b", parameters={"properties": {"pet": {"type": "integer", "description": text(1)}}})
    assert near_duplicates([one, two]) == []
    assert [group.skill_ids for group in near_duplicates([one, replace(one, id="c")])] == [("a", "c")]


def test_many_repeats_of_one_text_take_no_square_of_time() -> None:
    body = text(1, words=200)
    (group,) = near_duplicates([skill(f"s{n}", body, name=f"name{n}") for n in range(3000)])
    assert len(group.copies) == 2999


def test_empty_and_tiny_texts_are_compared_whole() -> None:
    tiny = [skill("a", ""), skill("b", ""), skill("c", "go", name="other", description="x")]
    assert [group.skill_ids for group in near_duplicates(tiny)] == [("a", "b")]
    assert near_duplicates([]) == []


def test_id_that_stands_twice_and_strange_similarity_are_refused() -> None:
    with pytest.raises(InvalidInput, match="'a' stands twice"):
        near_duplicates([skill("a", "x"), skill("a", "y")])
    with pytest.raises(InvalidInput, match=r"1\.5 is not above 0"):
        near_duplicates([], similarity=1.5)


def test_progress_ends_at_the_number_of_different_texts() -> None:
    told: list[tuple[int, int, str]] = []
    near_duplicates(
        [skill(f"s{n}", text(n, words=20)) for n in range(700)], on_progress=lambda *told_now: told.append(told_now)
    )
    assert told == [(512, 700, "comparing texts"), (700, 700, "comparing texts")]


@pytest.mark.shared_data
@pytest.mark.skipif(not DATA.is_dir(), reason="the research data is not beside this checkout")
def test_copies_named_by_the_data_are_found_again() -> None:
    """Pairs of skills that the queries take for equally right, among all skills that any query names."""
    named = set()
    for part in ("train", "dev"):
        with gzip.open(DATA / f"queries_{part}.jsonl.gz", "rt", encoding="utf-8") as lines:
            named |= {frozenset(gold) for line in lines for gold in json.loads(line)["gold"]}
    ids = frozenset().union(*named)
    with gzip.open(DATA / "pool.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if row["skill_id"] in ids]
    skills = [skill(r["skill_id"], r["body"], name=r["name"], description=r["description"]) for r in rows]
    found = _pairs([group.skill_ids for group in near_duplicates(skills)])
    right = _pairs(named)
    assert len(right) > 2000
    assert len(found & right) / len(found) >= 0.95  # measured: 0.98
    assert len(found & right) / len(right) >= 0.85  # measured: 0.91


def _pairs(groups: object) -> set[tuple[str, str]]:
    assert isinstance(groups, list | set)
    return {(one, other) for group in groups for one in group for other in group if one < other}
