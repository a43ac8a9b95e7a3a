"""The `antroute` command as a newcomer has it: a process of its own, with a home of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "orchestrator.cli.main")
START_SECONDS = 60
STOP_SECONDS = 20
SCRIPTED = {
    "models": {
        "small": {"provider": "scripted", "price_input_usd_per_mtok": 1, "price_output_usd_per_mtok": 2},
        "large": {"provider": "scripted", "price_input_usd_per_mtok": 10, "price_output_usd_per_mtok": 20},
    },
    "candidates": [
        {"agent": "single_turn", "model": "small", "id": "small"},
        {"agent": "single_turn", "model": "large", "id": "large"},
    ],
    "encoder": "hashing",
    "policy": "uniform",
}


@dataclass(frozen=True)
class Home:
    """A folder with a settings file, in which commands are run."""

    folder: Path
    settings: Mapping[str, object] = field(default_factory=lambda: SCRIPTED)

    def __post_init__(self) -> None:
        (self.folder / "antroute.yaml").write_text(yaml.safe_dump(dict(self.settings)))

    @property
    def store_path(self) -> Path:
        return self.folder / "data" / "antroute" / "antroute.db"

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANTROUTE_")}
        xdg = {"XDG_DATA_HOME": str(self.folder / "data"), "XDG_CACHE_HOME": str(self.folder / "cache")}
        return {**kept, **xdg, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200", **more}

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """One command to its end; `more` goes into its environment."""
        return subprocess.run(
            [*COMMAND, *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment(**more),
            timeout=START_SECONDS,
        )

    @contextmanager
    def served(self, *arguments: str, **more: str) -> Iterator[Server]:
        """`antroute serve` on a free port, from its greeting until the block ends."""
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", *arguments],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            cwd=self.folder,
            env=self.environment(**more),
        )
        try:
            yield Server(process, address=_address(process))
        finally:
            process.kill()
            process.communicate(timeout=STOP_SECONDS)


@dataclass
class Server:
    """A running `antroute serve`."""

    process: subprocess.Popen[str]
    address: str

    @property
    def rss_mib(self) -> float:
        """Of the server's own process, in units of 1,048,576 bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Exit status, and what was said on stderr since the greeting."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=STOP_SECONDS)
        return self.process.returncode, said

    def children(self) -> list[int]:
        """Ids of the processes that it started: its local models."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(child) for task in tasks for child in task.read_text().split()]


def _address(process: subprocess.Popen[str]) -> str:
    """The address in the greeting; all lines before it, should there be none."""
    if process.stderr is None:
        raise ValueError("stderr is not read")
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"listens on (http://\S+)", line):
            return found[1]
    raise AssertionError("".join(said) or "the server said nothing")
