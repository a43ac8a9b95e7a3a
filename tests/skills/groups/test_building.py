"""Groups: lists that are short, names that tell, and the same ones again after a change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skills.groups.building import MOST_LISTED, build_groups
from storage.errors import InvalidInput
from tests.skills.groups.topics import TOPICS, skills, vectors_of


@pytest.mark.parametrize("count", [51, 200, 2025, 2600])
def test_no_list_is_longer_than_fifty_and_every_skill_is_in_one_group(count: int) -> None:
    some = skills(count)
    groups = build_groups(some, vectors_of(some), encoder="e")
    assert max(map(len, groups.lists())) <= MOST_LISTED
    held = [skill_id for group in groups.groups for skill_id in group.skill_ids]
    assert sorted(held) == [skill.skill_id for skill in some]
    levels = {len(groups.path_of(skill.skill_id)) for skill in some}
    assert levels <= ({1} if count <= 2025 else {1, 2})
    assert len({group.name for group in groups.groups}) == len(groups.groups)


def test_few_skills_have_no_groups() -> None:
    some = skills(50)
    assert build_groups(some, vectors_of(some), encoder="e").groups == ()


def test_groups_are_named_by_what_their_skills_have_in_common() -> None:
    some = skills(100)
    groups = build_groups(some, vectors_of(some), encoder="e")
    own = groups.groups[groups.skill_id_to_place["s00001"]]
    assert "kubernetes" in own.name.split("-")
    assert own.description.startswith(f"{len(own.skill_ids)} skills about ")
    assert "; such as " in own.description


def test_the_order_of_the_skills_changes_nothing() -> None:
    some = skills(400)
    vectors = vectors_of(some)
    there = build_groups(some, vectors, encoder="e")
    back = build_groups(some[::-1], vectors[::-1], encoder="e")
    assert there.groups == back.groups


def test_groups_keep_their_names_when_a_few_skills_come_and_go() -> None:
    some = skills(420)
    former = build_groups(some[:400], vectors_of(some[:400]), encoder="e")
    later = some[10:]
    renamed = [replace(one, description=f"{one.description} Now with zebras.") for one in later]
    groups = build_groups(renamed, vectors_of(later), encoder="e", former=former)
    kept = {group.name for group in groups.groups} & {group.name for group in former.groups}
    assert len(kept) >= 0.8 * len(former.groups)
    stayed = [one for one in later if one.skill_id in former.skill_id_to_place]
    same = [groups.path_of(one.skill_id) == former.path_of(one.skill_id) for one in stayed]
    assert np.mean(same) >= 0.8
    anew = build_groups(renamed, vectors_of(later), encoder="e")
    assert len({group.name for group in anew.groups} & {group.name for group in former.groups}) < len(kept)


def test_groups_of_another_encoder_lend_their_names_and_not_their_centres() -> None:
    some = skills(100)
    former = build_groups(some, vectors_of(some, dimension=48), encoder="other")
    groups = build_groups(some, vectors_of(some), encoder="e", former=former)
    assert groups.centroids.shape[1] == 32
    assert {group.name for group in groups.groups} & {group.name for group in former.groups}


def test_the_walk_from_the_top_finds_the_group_of_a_topic() -> None:
    some = skills(2600)
    groups = build_groups(some, vectors_of(some), encoder="e")
    for topic in range(len(TOPICS)):
        direction = np.eye(32, dtype=np.float32)[topic]
        [place] = groups.nearest(direction)
        inside = [int(skill_id[1:]) % len(TOPICS) for skill_id in groups.groups[place].skill_ids]
        assert inside.count(topic) > len(inside) / 2
    assert len(groups.nearest(direction, beam=3)) == 3


def test_vectors_of_other_skills_are_refused() -> None:
    with pytest.raises(InvalidInput, match="5 vectors for 6 skills"):
        build_groups(skills(6), vectors_of(skills(5)), encoder="e")
