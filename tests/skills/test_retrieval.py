"""The index finds the fitting skill, and bears none, one and odd documents."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skills.base import Provenance, Skill
from skills.registry import make_library
from skills.retrieval import SkillIndex


def skill(name: str, description: str = "", body: str = "") -> Skill:
    return Skill(name=name, description=description, body=body, provenance=Provenance(source="test", sha256="0" * 64))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("How many days lie between these two dates?", "days_between"),
        ("converting miles into another unit", "convert_units"),
        ("Which weekday was it, name the day of the week", "weekday_of"),
        ("write the text backwards", "reverse_text"),
        ("arithmetic expression to be calculated", "calculator"),
    ],
)
async def test_fitting_builtin_skill_comes_first(text: str, name: str) -> None:
    hits = SkillIndex.build(await make_library("builtin").skills()).search(text, top=3)
    assert hits[0].name == name
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_body_is_searched() -> None:
    index = SkillIndex.build([skill("a", "Things."), skill("b", "Things.", body="Rotates invoices of a warehouse.")])
    assert [hit.name for hit in index.search("invoice")] == ["b"]


def test_words_are_compared_by_stem_and_names_by_part() -> None:
    index = SkillIndex.build([skill("mergeBranches"), skill("count_letters")])
    assert index.search("branch merging")[0].name == "mergeBranches"
    assert index.search("letter")[0].name == "count_letters"


def test_equal_scores_keep_the_order_of_the_build() -> None:
    index = SkillIndex.build([skill(name, "same words") for name in ("c", "a", "b")])
    assert [hit.name for hit in index.search("words")] == ["c", "a", "b"]


def test_search_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    SkillIndex.build([skill("a", "some words")]).search("words")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("skills", [[], [skill("the", "of and")], [skill("")]])
def test_index_without_words_finds_nothing(skills: list[Skill]) -> None:
    assert SkillIndex.build(skills).search("anything at all") == []


@pytest.mark.parametrize("text", ["", "the of and", "zyxwv qqqq", "!!! ???", "\x00"])
def test_query_without_known_words_finds_nothing(text: str) -> None:
    assert SkillIndex.build([skill("a", "some words")]).search(text) == []


def test_one_document_is_found() -> None:
    assert [hit.name for hit in SkillIndex.build([skill("a", "some words")]).search("words")] == ["a"]


def test_top_limits_the_hits() -> None:
    index = SkillIndex.build([skill(str(place), "same words") for place in range(20)])
    assert len(index.search("words", top=3)) == 3
    with pytest.raises(ValueError, match="top is 0"):
        index.search("words", top=0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=6), st.text(max_size=40))
def test_two_builds_answer_alike(descriptions: list[str], text: str) -> None:
    skills = [skill(f"s{place}", description) for place, description in enumerate(descriptions)]
    assert SkillIndex.build(skills).search(text) == SkillIndex.build(skills).search(text)
