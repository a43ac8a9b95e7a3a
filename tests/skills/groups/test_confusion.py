"""Which skills take each other's queries, and what would keep them apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from skills.base import Provenance, Skill
from skills.groups.confusion import confusions
from skills.groups.expectation import expected_accuracy
from skills.groups.indexed import groups_of_index
from skills.groups.questions import questions_of
from skills.index.building import build_index, update_index
from skills.index.index import SkillIndex
from skills.training.queries import LabelledQuery
from tests.skills.groups.topics import skills
from tests.skills.index.pools import CountingEncoder


def text(skill_id: str, description: str, body: str) -> Skill:
    return Skill(
        id=skill_id, name=skill_id, description=description, body=body, provenance=Provenance(source="", sha256="")
    )


STATE = text(
    "infra-helper",
    "Changes the cloud infrastructure of a team.",
    "# Steps\nMove the Terraform state between backends.\n"
    "Lock the Terraform state first. Terraform state holds secrets.\n\n"
    "## When to use\n- deploy cloud infrastructure with pipelines",
)
PIPELINES = text(
    "pipelines",
    "Deploy cloud infrastructure with pipelines. Deploy cloud services with pipelines.",
    "Deploy with pipelines: pipelines deploy cloud infrastructure.",
)


def opened(folder: Path, some: Sequence[Skill]) -> SkillIndex:
    encoder = CountingEncoder()
    build_index(some, folder, encoder=encoder)
    return SkillIndex.open(folder, encoder=encoder)


def test_a_robbed_skill_is_told_with_the_words_that_would_keep_it_apart(tmp_path: Path) -> None:
    report = confusions(opened(tmp_path, [STATE, PIPELINES, *skills(30)]))
    pair = next(pair for pair in report.confusions if pair.skill_id == "infra-helper")
    assert (pair.other_id, pair.stolen, pair.queries) == ("pipelines", 1, 2)
    assert pair.examples == ("deploy cloud infrastructure with pipelines",)
    assert "Terraform state" in pair.telling_words
    assert {"cloud", "infrastructure"} <= set(pair.shared_words)
    assert "say 'Terraform state'" in pair.advice
    assert 0 < report.lost_share < 1


def test_copies_rob_nobody_and_are_told_apart(tmp_path: Path) -> None:
    body = "Count the frogs of a pond at night, with a lamp, and write down how many there are of each kind."
    one = text("frogs", "Counts the frogs of a pond at night.", body)
    other = text("frogs-again", "Counts the frogs of a pond at night.", body)
    report = confusions(opened(tmp_path, [one, other, *skills(10)]))
    assert [group.skill_ids for group in report.copies] == [("frogs", "frogs-again")]
    assert not {"frogs", "frogs-again"} & {pair.skill_id for pair in report.confusions}


def test_real_queries_count_for_the_skills_they_name(tmp_path: Path) -> None:
    index = opened(tmp_path, [STATE, PIPELINES, *skills(10)])
    asked = [
        LabelledQuery(query_id="a", text="deploy pipelines for services", gold=(("infra-helper",),)),
        LabelledQuery(query_id="b", text="deploy pipelines", gold=(("infra-helper",), ("pipelines",))),
        LabelledQuery(query_id="c", text="anything", gold=(("gone",),)),
    ]
    with_none, with_all = confusions(index), confusions(index, queries=asked)
    assert with_all.queries == with_none.queries + 2
    stolen = {pair.skill_id: pair.stolen for pair in with_all.confusions}
    assert stolen["infra-helper"] == 2


def test_of_a_large_library_some_are_asked_for(tmp_path: Path) -> None:
    report = confusions(opened(tmp_path, skills(60)), examined=20)
    assert (report.skills, report.examined) == (60, 20)


def test_an_empty_library_has_nothing_to_tell(tmp_path: Path) -> None:
    report = confusions(opened(tmp_path, []))
    assert (report.queries, report.lost_share, report.confusions) == (0, 0.0, ())


def test_a_skill_asks_what_it_is_for_and_not_what_it_is_not_for() -> None:
    when = "## When to use this\n- to merge two PDF files\n1. **to split** a PDF file\n"
    body = f"# A\nsome other line of the text\n{when}## Next\nno more of it here"
    one = text("pdf", "Merges PDF files quickly and well. Not for pictures: use another one. Short one.", body)
    assert questions_of(one) == ["Merges PDF files quickly and well.", "to merge two PDF files", "to split a PDF file"]


def test_expected_accuracy_falls_with_size_and_confusion_and_groups_help() -> None:
    small, large = expected_accuracy(20, 0.0), expected_accuracy(500, 0.1, longest_list=25)
    assert small.flat_least > 0.9
    assert large.flat_most < 0.1
    assert large.grouped_least is not None
    assert large.grouped_least > large.flat_most
    assert expected_accuracy(90, 1.0).flat_least < expected_accuracy(90, 0.0).flat_least
    knee = expected_accuracy(92, 0.0)
    assert knee.flat_most == pytest.approx(0.5, abs=0.01)  # at |S| = κ half is right


def test_groups_of_an_index_are_kept_until_it_changes(tmp_path: Path) -> None:
    index = opened(tmp_path, skills(120))
    first = groups_of_index(index, tmp_path)
    assert first.groups
    assert groups_of_index(index, tmp_path).groups == first.groups
    encoder = CountingEncoder()
    update_index(tmp_path, put=[text("frogs", "Counts frogs.", "")], encoder=encoder)
    later = groups_of_index(SkillIndex.open(tmp_path, encoder=encoder), tmp_path)
    assert later.path_of("frogs")
    assert later.content_sha256 != first.content_sha256
    assert len({one.name for one in later.groups} & {one.name for one in first.groups}) >= 0.8 * len(first.groups)
