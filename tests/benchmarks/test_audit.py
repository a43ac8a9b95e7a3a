"""The benchmark of the audit log: a small run of each part, in which everything must hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.audit import measured, written_at_once


async def test_a_small_log_is_whole_and_its_decisions_are_proven(tmp_path: Path) -> None:
    found = await measured(f"sqlite:///{tmp_path}/antroute.db", decisions=200, seed=3)
    assert found["is_whole"]
    assert (found["events"], found["checkpoint"]["count"]) == (601, 2)
    assert found["proof"]["hashes"] <= 10
    assert found["verify"]["events_per_second"] > 0


@pytest.mark.timeout(120)
async def test_a_log_that_eight_processes_write_and_sign_at_once_is_whole(tmp_path: Path) -> None:
    found = await written_at_once(f"sqlite:///{tmp_path}/antroute.db", writers=8, seconds=5)
    assert (found["first_bad_event"], found["first_bad_checkpoint"]) == (None, None)
    assert found["is_whole"]
    assert (found["writers"], found["checkpoints"]) == (8, found["outside_checkpoints"])
