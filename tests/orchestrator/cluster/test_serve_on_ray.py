"""`antroute serve --ray local` as an operator starts it: on loopback, behind a token, and gone when it is stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.storage.processes import ROOT

START_SECONDS = 60.0
STOP_SECONDS = 30.0
SETTINGS = """
models: {small: {provider: scripted}}
candidates: [{agent: single_turn, model: small, id: small}]
encoder: hashing
policy: uniform
ray: {workers: 1, encoder: local}
"""

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]


@contextmanager
def gateway(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and its URL; the process is killed at the end if it still runs."""
    (folder / "antroute.yaml").write_text(SETTINGS)
    environment = {
        **os.environ,
        "ANTROUTE_SETTINGS": str(folder / "antroute.yaml"),
        "ANTROUTE_SERVER__SECRET": "s" * 40,
        "HOME": str(folder),
    }
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "orchestrator.cli.main", "serve", "--ray", "local", "--port", "0"),
            *("--store", f"sqlite:///{folder / 'store.db'}"),
        ],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, address_in(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def address_in(process: subprocess.Popen[str]) -> str:
    """The URL that it says it listens on."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"listens on (\S+)", line):
            return found.group(1)
    raise AssertionError("".join(said))


def children_of(pid: int) -> dict[int, str]:
    """All processes below this one, with their command lines."""
    told = subprocess.run(["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in told.splitlines()]
    found: dict[int, str] = {}
    parents = {pid}
    while parents:
        fresh = {int(row[0]): row[-1] for row in rows if int(row[1]) in parents}
        found |= fresh
        parents = set(fresh)
    return found


def listeners_of(pids: set[int]) -> set[str]:
    """Addresses on which these processes listen, in the kernel's hexadecimal."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            if link.is_symlink() and (found := re.match(r"socket:\[(\d+)\]", os.readlink(link))):
                inodes.add(found.group(1))
    addresses = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:  # 0A: it listens
                addresses.add(fields[1].partition(":")[0])
    return addresses


LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads who listens from Linux's /proc")
def test_jobs_run_on_loopback_behind_a_token_and_nothing_is_left_behind(tmp_path: Path) -> None:
    with gateway(tmp_path) as (process, url), httpx.Client(base_url=url, timeout=30) as http:
        job = http.post("/v1/jobs", json={"workflow": "ask", "input": {"text": "Good morning."}}).raise_for_status()
        until = time.monotonic() + START_SECONDS
        while (state := http.get(f"/v1/jobs/{job.json()['id']}").json()["state"]) != "succeeded":
            assert state in ("queued", "running")
            assert time.monotonic() < until
            time.sleep(0.2)
        below = children_of(process.pid)
        assert any("raylet" in command for command in below.values())
        assert any("WorkerActor" in command for command in below.values())
        assert listeners_of(set(below)) <= LOOPBACK
        assert refused_without_token(below)
        assert not (tmp_path / ".ray").exists()  # the token is in no file
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == 0
        until = time.monotonic() + STOP_SECONDS
        while left := [pid for pid in below if Path(f"/proc/{pid}").exists()]:
            assert time.monotonic() < until, [below[pid] for pid in left]
            time.sleep(0.1)


def refused_without_token(below: dict[int, str]) -> bool:
    """Whether a stranger on this machine can do nothing with the cluster."""
    places = (re.search(r"gcs-address=(127\.0\.0\.1:\d+)", command) for command in below.values())
    [address] = {found.group(1) for found in places if found}
    code = (
        f"from ray._raylet import GcsClient\nGcsClient(address={address!r}).internal_kv_keys(b'', None, timeout=10)\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    told = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**environment, "RAY_AUTH_MODE": "disabled"},
        check=False,
    )
    return told.returncode != 0 and "nauthenticated" in told.stderr
