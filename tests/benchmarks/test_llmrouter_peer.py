"""The peer's side of the benchmark, with a stand-in for its interpreter."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers.llmrouter_peer import ROUTERS, hand_over, peer_latency_rows, python_of, run_peer, why_not
from tests.routing.small_data import small_dataset, small_inputs


def environment(folder: Path, script: str) -> Path:
    """An environment whose python runs this script instead of the peer."""
    stand_in = python_of(folder)
    stand_in.parent.mkdir(parents=True)
    (folder / "script.py").write_text(script)
    stand_in.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder}/script.py" "$@"\n')
    stand_in.chmod(0o755)
    return folder


CHOOSES_FIRST = """
import json, sys
job = json.load(open(sys.argv[2]))
data = json.load(open(job["handover"] + "/data.json"))
with open(job["out"], "w") as out:
    for run in job["runs"][:1]:
        out.write(json.dumps({"choices": [data["candidates"][0]] * len(data["dev"]), "fit_seconds": 1.0}) + "\\n")
sys.exit("the rest failed" if len(job["runs"]) > 1 else 0)
"""


def test_without_an_environment_each_router_says_why() -> None:
    data = small_dataset(queries=12)
    rows = peer_latency_rows(None, data, small_inputs(data))
    assert [row["router"] for row in rows] == [f"llmrouter-lib {name}" for name in ROUTERS]
    assert all("--setup" in row["problem"] for row in rows)


def test_a_folder_that_is_no_environment_is_told(tmp_path: Path) -> None:
    assert "is no virtual environment" in why_not(tmp_path)


def test_cells_without_an_outcome_are_handed_over_as_null_in_the_order_asked_for(tmp_path: Path) -> None:
    data = small_dataset(queries=20, missing=0.4)
    inputs = small_inputs(data)
    handover = hand_over(data, inputs, data, inputs, tmp_path, candidates=data.candidates[::-1])
    body = json.loads((tmp_path / "data.json").read_text())
    read = np.array(body["quality"], dtype=float)[:, ::-1]
    assert body["candidates"] == list(data.candidates[::-1])
    assert np.array_equal(read, data.quality, equal_nan=True)
    assert handover.dimension == inputs.embeddings.shape[1]


@pytest.mark.parametrize("runs", [((0, "given"),), ((0, "given"), (1, "given"))])
def test_runs_that_were_done_count_and_the_others_say_what_went_wrong(
    tmp_path: Path, runs: tuple[tuple[int, str], ...]
) -> None:
    data = small_dataset(queries=12)
    inputs = small_inputs(data)
    handover = hand_over(data, inputs, data, inputs, tmp_path / "handover", candidates=data.candidates)
    first, *others = run_peer(environment(tmp_path / "env", CHOOSES_FIRST), handover, "mfrouter", runs=runs)  # type: ignore[arg-type]  # of the two words
    assert set(first.choices) == {data.candidates[0]}
    assert first.problem == ""
    assert all("the rest failed" in other.problem for other in others)
    assert len(others) == len(runs) - 1


def test_a_router_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    data = small_dataset(queries=12)
    inputs = small_inputs(data)
    handover = hand_over(data, inputs, data, inputs, tmp_path / "handover", candidates=data.candidates)
    slow = environment(tmp_path / "env", "import threading; threading.Event().wait()")
    (run,) = run_peer(slow, handover, "knnrouter", limit_seconds=1)
    assert run.problem == "not done within 1 s"
