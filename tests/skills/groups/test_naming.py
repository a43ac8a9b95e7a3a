"""Names of groups: by the words of many, not by the loudest."""

from __future__ import annotations

from dataclasses import replace

from skills.groups.naming import TermReader, group_name, telling_terms
from tests.skills.groups.topics import skills


def test_a_skill_that_repeats_itself_names_no_group() -> None:
    reader = TermReader()
    some = skills(40)
    loud = replace(some[0], description="pills " * 300)
    groups = [[reader.terms(one) for one in part] for part in ([loud, *some[10:20]], some[20:40])]
    assert "pills" not in telling_terms(groups)[0][:3]


def test_words_that_all_skills_say_tell_nothing() -> None:
    reader = TermReader()
    terms = [reader.terms(one) for one in skills(20)]
    assert all("use" not in one and "skill" not in one for one in terms)


def test_a_name_is_given_once_and_is_never_empty() -> None:
    assert group_name(["a1", "b1", "c1", "d1"], {"a1-b1-c1", "a1-b1-c1-2"}) == "a1-b1-c1-3"
    assert group_name([], set()) == "others"
