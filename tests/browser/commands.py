"""Several `antroute` commands in one process, since each start takes longer than what they do; output a JSON line each.

python -m tests.browser.commands '[["budgets", "list", "--json"], …]'
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO

from tests.e2e.antroute import START_SECONDS, Home


def done(home: Home, *commands: Sequence[str], seconds: float = START_SECONDS) -> list[str]:
    """What each command says; all must succeed."""
    finished = subprocess.run(
        [sys.executable, "-m", "tests.browser.commands", json.dumps([list(each) for each in commands])],
        capture_output=True,
        text=True,
        cwd=home.folder,
        env=home.environment(),
        timeout=seconds,
    )
    assert finished.returncode == 0, finished.stderr
    return [json.loads(line) for line in finished.stdout.splitlines()]


def carried_out(commands: Sequence[Sequence[str]]) -> None:
    from orchestrator.cli.main import app

    for command in commands:
        with redirect_stdout(StringIO()) as said:
            app(list(command), standalone_mode=False)
        sys.stdout.write(f"{json.dumps(said.getvalue())}\n")


if __name__ == "__main__":
    carried_out(json.loads(sys.argv[1]))
