"""`antroute console` as a process: the pages over a store, without the API and without a model."""

from __future__ import annotations

import re
import signal
import subprocess

import httpx

from tests.e2e.antroute import COMMAND, START_SECONDS, STOP_SECONDS, Home


def test_it_shows_what_was_decided_and_serves_nothing_else(home: Home) -> None:
    answer = home.run("ask", "What is 2 + 2?")
    assert answer.returncode == 0, answer.stderr
    process = subprocess.Popen(
        [*COMMAND, "console"], stderr=subprocess.PIPE, text=True, cwd=home.folder, env=home.environment()
    )
    try:
        assert process.stderr is not None
        address = next(found[1] for line in process.stderr if (found := re.search(r"is at (http://\S+)/console", line)))
        page = httpx.get(f"{address}/console/decisions", timeout=START_SECONDS)
        assert "What is 2 + 2?" in page.text
        assert httpx.get(f"{address}/v1/models").status_code == 404
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=STOP_SECONDS)
        assert (process.returncode, said) == (0, "")
    finally:
        process.kill()
        process.communicate(timeout=STOP_SECONDS)


def test_a_store_that_is_not_there_is_named(home: Home) -> None:
    refused = home.run("console", "--store", "sqlite:///nowhere.db")
    assert refused.returncode == 2 and "nowhere.db" in refused.stderr
