"""What the README shows runs as written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.local_model import smallest_model_path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)


def ran(command: list[str], home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs as a newcomer would: with no settings and no data of their own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ANTROUTE_")}
    # The newcomer's home is empty, but for the model's file, which is fetched once for all tests.
    cache_home = smallest_model_path().parents[2]
    places = {"XDG_DATA_HOME": str(home / "data"), "XDG_CACHE_HOME": str(cache_home), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, capture_output=True, text=True, cwd=home, env={**clean, **places, **environment}, timeout=100
    )


@pytest.mark.local_model
def test_the_ten_lines_run_as_written(tmp_path: Path) -> None:
    [lines] = [body for language, body in BLOCKS if language == "python" and "asyncio.run(main())" in body]
    assert len([line for line in lines.splitlines() if line.strip()]) <= 10
    (tmp_path / "ten_lines.py").write_text(lines)
    finished = ran([sys.executable, "ten_lines.py"], tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert re.search(r"by \w+/[\w.-]+(\+skills)? for \$ 0\.\d+", finished.stdout)
    assert list(tmp_path.glob("data/antroute/antroute.db"))


def test_the_workflow_example_runs(tmp_path: Path) -> None:
    finished = ran([sys.executable, str(ROOT / "examples" / "workflow.py")], tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert "2 steps" in finished.stdout


def test_the_example_settings_are_valid(tmp_path: Path) -> None:
    code = "from orchestrator import load_settings; print(load_settings().policy)"
    finished = ran([sys.executable, "-c", code], tmp_path, ANTROUTE_SETTINGS=str(ROOT / "examples" / "antroute.yaml"))
    assert (finished.returncode, finished.stdout.strip()) == (0, "thompson"), finished.stderr


def test_every_command_that_the_readme_names_is_there() -> None:
    text = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli.main", "--help"], capture_output=True, text=True, cwd=ROOT, check=True
    ).stdout
    named = set(re.findall(r"antroute ([a-z]+) ", README)) - {"is"}
    assert named
    assert all(re.search(rf"\b{command}\b", text) for command in named), named


def test_every_make_target_that_the_readme_names_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", README)) <= targets
