"""Starts Python in another process, for tests that need a second one to race with or to kill."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def started(code: str, *arguments: str) -> subprocess.Popen[str]:
    """A process that runs the code; its pipes are open for lines of text."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
