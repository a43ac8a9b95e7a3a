"""The rules of the house, as tests."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ["storage", "skills", "agents", "routing", "orchestrator"]
SOURCES = [path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]
HEAVY = [
    "aiohttp", "faiss", "fastapi", "langgraph", "lightgbm", "litellm", "matplotlib", "onnxruntime", "pyarrow", "ray",
    "safetensors", "scipy", "sklearn", "sqlalchemy", "torch", "torch_geometric",
]  # fmt: skip
LONGEST_FILE = 400  # lines
HELP_CPU_SECONDS = 0.5


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_imports_follow_the_floors() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    environment = {**os.environ, "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
    result = subprocess.run([lint], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("floor", FLOORS)
def test_no_foreign_package_shadows_a_floor(floor: str) -> None:
    home = importlib.import_module(floor).__file__
    assert home is not None
    assert Path(home).is_relative_to(ROOT)


@pytest.mark.parametrize("path", SOURCES, ids=names)
def test_file_says_what_it_is_for_and_stays_short(path: Path) -> None:
    source = path.read_text()
    assert ast.get_docstring(ast.parse(source))
    assert len(source.splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("path", SOURCES, ids=names)
def test_no_exemption_without_a_code_and_no_open_end(path: Path) -> None:
    source = path.read_text()
    assert not re.search(r"noqa(?!: [A-Z]+\d+)|type: ignore(?!\[)|\bTODO\b|\bFIXME\b|NotImplementedError", source)


def test_only_settings_reads_the_environment() -> None:
    reading = re.compile(r"os\.environ(?!\[\"\w+\"\] = )|getenv")  # writing for a library is not reading
    readers = [names(path) for path in SOURCES if reading.search(path.read_text())]
    assert readers == ["orchestrator/settings.py"]


@pytest.mark.parametrize(
    "module", ["orchestrator", "storage.registry", "agents.registry", "routing.registry", "routing.artifacts"]
)
def test_importing_the_door_of_a_floor_loads_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout.strip() == "[]"


def test_help_costs_little() -> None:
    """CPU seconds of user and system, the best of three: what a busy machine cannot spoil."""
    code = (
        "import resource, subprocess, sys; "
        "subprocess.run([sys.executable, '-m', 'orchestrator.cli.main', '--help'], check=True, stdout=-3); "
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); print(used.ru_utime + used.ru_stime)"
    )
    command = [sys.executable, "-c", code]
    spent = [
        float(subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout) for _ in range(3)
    ]
    assert min(spent) <= HELP_CPU_SECONDS


def test_version_is_told_once() -> None:
    from orchestrator.rest.app import VERSION

    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_constraints_pin_every_direct_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["local"], *extras["dev"], *extras["postgres"]]
    pinned = {named(line) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert {named(need) for need in wanted} - {"antroute"} <= pinned


def named(requirement: str) -> str:
    """The distribution's name as package indexes spell it."""
    return re.split(r"[\[<>=]", requirement)[0].lower().replace("_", "-")
