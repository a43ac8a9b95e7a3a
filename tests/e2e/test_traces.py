"""`antroute traces` as processes: followed while another one decides, and cut off by its reader."""

from __future__ import annotations

import json
import select
import signal
import subprocess
from datetime import datetime
from pathlib import Path

from storage.records import utc_now
from tests.e2e.antroute import COMMAND, Home

LOOK_SECONDS = 3.0
TOLD_SECONDS = 1.0  # after the decision, at the latest
SLOWER = 4.0  # of a machine that is busy with other tests
STOP_SECONDS = 20


def heeding_ctrl_c() -> None:
    """Who begins the tests in the background has them ignore it, and every process below them too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_decisions_of_another_process_are_told_as_they_are_made_and_ctrl_c_ends_quietly(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = home.run("ask", "Hello there")
    assert first.returncode == 0
    with subprocess.Popen(
        [*COMMAND, "traces", "tail", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=home.folder, env=home.environment(),
        preexec_fn=heeding_ctrl_c,
    ) as tail:  # fmt: skip
        assert tail.stdout is not None
        asked: list[str] = []
        while not select.select([tail.stdout], [], [], LOOK_SECONDS)[0]:  # until it has begun to follow
            asked.append(json.loads(home.run("ask", "Hello again", "--json").stdout)["decision_id"])
        told = json.loads(tail.stdout.readline())
        seconds = (utc_now() - datetime.fromisoformat(told["decided_at"])).total_seconds()
        assert told["decision_id"] in asked
        assert seconds < LOOK_SECONDS + TOLD_SECONDS * SLOWER
        tail.send_signal(signal.SIGINT)
        _, said = tail.communicate(timeout=STOP_SECONDS)
        assert (tail.returncode, said) == (0, "")


def test_an_export_whose_reader_has_enough_ends_without_a_word(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.run("ask", "Hello there")
    writer = subprocess.Popen(
        [*COMMAND, "traces", "export", "--what", "events"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=home.folder, env=home.environment(),
    )  # fmt: skip
    assert writer.stdout is not None
    writer.stdout.close()
    _, said = writer.communicate(timeout=60)
    assert b"Traceback" not in said


def test_texts_are_erased_by_command_and_the_log_stays_whole(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.run("ask", "Hello there")
    erased = home.run("payloads", "erase", "--before", "0s", "--yes")
    assert (erased.returncode, erased.stdout) == (0, "2 texts of 1 decision erased.\n")
    assert "(erased, or none)" in home.run("traces", "last").stdout
    assert home.run("audit", "verify").returncode == 0
