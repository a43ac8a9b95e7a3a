"""Libraries by name; naming one loads nothing else."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from skills.base import SkillLibrary
from skills.errors import SkillError
from skills.libraries.source import SkillSource
from skills.registry import LIBRARIES, SOURCES, make_library, make_source, source_kind

HEAVY = (
    "torch",
    "torch_geometric",
    "faiss",
    "ray",
    "litellm",
    "sqlalchemy",
    "langgraph",
    "aiohttp",
    "onnxruntime",
    "mcp",
    "httpx",
    "rensa",
)


def test_unknown_library_names_the_nearest() -> None:
    with pytest.raises(SkillError, match=r"No library 'markdwn'; did you mean 'markdown'\?"):
        make_library("markdwn")


def test_unknown_option_is_refused() -> None:
    with pytest.raises(SkillError, match="does not take these options"):
        make_library("builtin", folder="x")


def test_registry_and_builtin_skills_load_nothing_heavy() -> None:
    code = (
        "import sys, skills.registry; before = [m for m in sys.modules if m.startswith('skills.libraries')];"
        "skills.registry.make_library('builtin');"
        f"print(before, [m for m in {(*HEAVY, 'pint', 'simpleeval', 'bm25s')!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"


@pytest.mark.parametrize("names", [LIBRARIES, SOURCES], ids=["libraries", "sources"])
def test_every_name_leads_to_a_class_of_its_sort(names: dict[str, str]) -> None:
    sort = SkillLibrary if names is LIBRARIES else SkillSource
    for path in names.values():
        module, _, attribute = path.partition(":")
        assert issubclass(getattr(import_module(module), attribute), sort)


def test_modules_of_the_libraries_load_nothing_heavy() -> None:
    modules = sorted({path.partition(":")[0] for path in (*LIBRARIES.values(), *SOURCES.values())})
    code = f"import sys, {', '.join(modules)}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_builtin_skills_are_a_source_too() -> None:
    reading = await make_source("builtin").read()
    assert "calculator" in [skill.skill_id for skill in reading.skills]
    assert {skill.kind for skill in reading.skills} == {"function"}
    with pytest.raises(SkillError, match=r"No source of skills 'fodler'; did you mean 'folder'\?"):
        make_source("fodler")


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("pool.jsonl", "pool"),
        ("a/pool.jsonl.gz", "pool"),
        ("api.yaml", "openapi"),
        ("https://example.org/v1/openapi.json?x=1", "openapi"),
        ("https://example.org/owner/name", "git"),
        ("https://example.org/owner/name.git", "git"),
        ("git@example.org:owner/name.git", "git"),
        ("file:///srv/name", "git"),
    ],
)
def test_source_is_known_by_its_looks(source: str, kind: str) -> None:
    assert source_kind(source) == kind


def test_folder_is_known_and_anything_else_is_refused(tmp_path: Path) -> None:
    assert source_kind(str(tmp_path)) == "folder"
    with pytest.raises(SkillError, match="is no folder, no pool"):
        source_kind(str(tmp_path / "missing"))
