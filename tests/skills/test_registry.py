"""Libraries by name; naming one loads nothing else."""

import subprocess
import sys

import pytest

from skills.errors import SkillError
from skills.registry import make_library

HEAVY = ("torch", "torch_geometric", "faiss", "ray", "litellm", "sqlalchemy", "langgraph", "aiohttp", "onnxruntime")


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
