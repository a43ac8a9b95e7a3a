"""A large library as groups: looked into, then called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from skills.base import Skill, SkillLibrary
from skills.errors import SkillNotFound, SkillRefused
from skills.groups.building import build_groups
from skills.groups.library import LISTING_BYTES, GroupedLibrary
from tests.skills.groups.topics import skill, skills, vectors_of

ARGUMENTS = {"type": "object", "properties": {"page": {"type": "integer"}}}


class EchoLibrary(SkillLibrary):
    """Says what it was called with."""

    def __init__(self, offered: Sequence[Skill]) -> None:
        self.offered = offered

    async def skills(self) -> Sequence[Skill]:
        return self.offered

    async def call(self, name: str, arguments: Mapping[str, object]) -> str:
        return f"{name} {dict(arguments)}"


def grouped(count: int, *, most_listed: int = 24, offered: Sequence[Skill] | None = None) -> GroupedLibrary:
    some = [replace(one, kind="function", parameters=ARGUMENTS) for one in skills(count)]
    groups = build_groups(some, vectors_of(some), encoder="e", most_listed=most_listed)
    return GroupedLibrary(EchoLibrary(some if offered is None else offered), groups)


async def names(library: SkillLibrary) -> list[str]:
    return [one.name for one in await library.skills()]


async def test_groups_stand_for_skills_until_one_is_looked_into() -> None:
    library = grouped(100)
    first = await names(library)
    assert len(first) <= 24
    assert all(name.startswith("browse_") for name in first)
    kubernetes = next(name for name in first if "kubernetes" in name)
    listing = await library.call(kubernetes, {})
    assert "deploy_kubernetes_11" in listing
    assert '{"page": …}' in listing
    assert len(listing.encode()) <= LISTING_BYTES
    after = await names(library)
    assert after[: len(first)] == first
    assert "deploy_kubernetes_11" in after
    assert await library.call("deploy_kubernetes_11", {"page": 3}) == "deploy_kubernetes_11 {'page': 3}"


async def test_two_levels_are_looked_into_one_after_the_other() -> None:
    library = grouped(700)
    first = await names(library)
    inner = (await library.call(first[0], {})).splitlines()[0].partition(":")[0]
    assert inner.startswith("browse_")
    assert inner in await names(library)
    found = (await library.call(inner, {})).splitlines()[0].partition(" ")[0]
    assert await library.call(found, {}) == f"{found} {{}}"


async def test_only_what_is_offered_is_shown_and_what_has_no_group_stands_beside() -> None:
    some = [replace(one, kind="function") for one in skills(100)]
    kept = [one for one in some if "kubernetes" in one.name] + [skill(1234)]
    library = grouped(100, offered=kept)
    shown = await names(library)
    assert shown[0] == skill(1234).name
    assert len(shown) < len(await names(grouped(100)))


async def test_a_skill_cannot_take_the_place_of_a_group() -> None:
    some = [replace(one, kind="function") for one in skills(100)]
    groups = build_groups(some, vectors_of(some), encoder="e", most_listed=24)
    group_name = f"browse_{groups.groups[0].name.replace('-', '_')}"
    library = GroupedLibrary(EchoLibrary([*some, replace(skill(1234), name=group_name)]), groups)
    assert f"{group_name}_" in await names(library)
    assert await library.call(group_name, {}) == f"{group_name} {{}}"
    assert "\n" in await library.call(f"{group_name}_", {})


async def test_unknown_names_and_arguments_of_a_group_are_refused() -> None:
    library = grouped(100)
    first = (await names(library))[0]
    with pytest.raises(SkillNotFound, match="did you mean"):
        await library.call(f"{first}x", {})
    with pytest.raises(SkillRefused, match="takes no arguments"):
        await library.call(first, {"page": 1})


async def test_each_run_begins_with_closed_groups() -> None:
    library = grouped(100)
    first = await names(library)
    await library.call(first[0], {})
    assert await names(GroupedLibrary(library.wrapped, library.groups)) == first
