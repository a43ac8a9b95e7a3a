"""The file of groups is read as it was written, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from skills.errors import IndexRefused
from skills.groups.base import SkillGroups
from skills.groups.building import build_groups
from skills.groups.file import GROUPS_FILE, read_groups, write_groups
from tests.skills.groups.topics import skills, vectors_of


@pytest.fixture
def groups() -> SkillGroups:
    some = skills(120)
    return build_groups(some, vectors_of(some), encoder="e", content_sha256="c" * 64)


def test_groups_come_back(groups: SkillGroups, tmp_path: Path) -> None:
    assert read_groups(tmp_path) is None
    write_groups(tmp_path, groups)
    found = read_groups(tmp_path)
    assert found is not None
    assert (found.groups, found.encoder, found.content_sha256) == (groups.groups, "e", "c" * 64)
    assert np.allclose(found.centroids, groups.centroids, atol=1e-3)
    assert [path.name for path in tmp_path.iterdir()] == [GROUPS_FILE]


@pytest.mark.parametrize("damage", ["name", "format", "parent", "cut", "list"])
def test_a_changed_file_is_refused(groups: SkillGroups, tmp_path: Path, damage: str) -> None:
    path = write_groups(tmp_path, groups)
    body = json.loads(path.read_text())
    if damage == "name":
        body["groups"][0]["name"] = "another"
    elif damage == "format":
        body["format"] = 99
    elif damage == "parent":
        body["groups"][0]["parent"] = 3
    text = {"cut": path.read_text()[:200], "list": "[1]"}.get(damage, json.dumps(body))
    path.write_text(text)
    with pytest.raises(IndexRefused, match="holds no groups"):
        read_groups(tmp_path)


def test_a_folder_that_is_not_there_cannot_be_written(groups: SkillGroups, tmp_path: Path) -> None:
    with pytest.raises(IndexRefused, match="cannot be written"):
        write_groups(tmp_path / "nowhere", groups)
