"""Sources by what a person calls them, and the list of them that `update` reads again."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.settings import Settings
from orchestrator.skill_sources import SOURCES_FILE, KnownSource, KnownSources, known_source, opened_source
from skills.errors import SkillError
from skills.libraries.folder import FolderSource
from skills.libraries.git_checkout import GitSource
from skills.libraries.mcp import McpLibrary
from skills.libraries.pool import PoolSource
from storage.errors import InvalidInput
from tests.conftest import scripted_settings


@pytest.fixture
def settings() -> Settings:
    return scripted_settings(skills={"mcp": {"files": {"command": "files-server"}}})


def test_a_source_is_known_by_its_looks(settings: Settings, tmp_path: Path) -> None:
    pool = tmp_path / "some.jsonl"
    pool.write_text("")
    url = "https://git.example/team/office.git"
    known = {source: known_source(settings, source) for source in (str(tmp_path), str(pool), url, "files")}
    assert [each.kind for each in known.values()] == ["folder", "pool", "git", "mcp"]
    assert [each.library for each in known.values()] == [tmp_path.name, "some", "team/office", "files"]
    opened = [opened_source(settings, each) for each in known.values()]
    assert list(map(type, opened)) == [FolderSource, PoolSource, GitSource, McpLibrary]
    assert [each.name for each in opened] == [each.library for each in known.values()]


def test_a_source_may_be_given_name_and_kind(settings: Settings, tmp_path: Path) -> None:
    known = known_source(settings, str(tmp_path), name="office", kind="folder")
    assert known == KnownSource(library="office", kind="folder", location=str(tmp_path.resolve()))


@pytest.mark.parametrize(
    ("source", "given", "message"),
    [
        ("nowhere", {}, "is no folder, no pool"),
        ("other", {"kind": "mcp"}, "No MCP server 'other' in the settings; known: files"),
        ("files", {"name": "mine"}, "bears its name in the settings"),
    ],
)
def test_what_is_no_source_is_told(settings: Settings, source: str, given: dict[str, str], message: str) -> None:
    with pytest.raises(SkillError, match=message):
        known_source(settings, source, **given)  # type: ignore[arg-type]  # one mapping for several parameters


def test_sources_are_kept_and_forgotten(tmp_path: Path) -> None:
    sources = KnownSources(tmp_path / "index")
    assert sources.read() == {}
    one = KnownSource(library="office", kind="folder", location="/office")
    sources.keep(one)
    sources.keep(KnownSource(library="a", kind="git", location="https://git.example/a"))
    assert sources.one("office") == one
    sources.forget("office")
    assert list(sources.read()) == ["a"]
    with pytest.raises(InvalidInput, match="where the library 'office' came from; known: a") as caught:
        sources.one("office")
    assert caught.value.hint == "Add it again: antroute skills add SOURCE --name office"


@pytest.mark.parametrize("content", ["[", '[{"library": "a"}]', '[{"library": "a", "kind": "x", "location": "b"}]'])
def test_a_damaged_list_of_sources_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / SOURCES_FILE).write_text(content)
    with pytest.raises(InvalidInput, match="cannot be read"):
        KnownSources(tmp_path).read()
