"""Trajectories on disk: what is read, what is refused, and by which words."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from routing.steps.episodes import check_trajectories, chosen_candidates, holds_trajectories, read_trajectories
from storage.errors import InvalidInput
from tests.routing.steps.small_episodes import LARGE, SMALL, write_trajectories


def changed(folder: Path, name: str, place: int, change: Callable[[dict[str, Any]], None]) -> None:
    lines = (folder / name).read_text().splitlines()
    value = json.loads(lines[place])
    change(value)
    lines[place] = json.dumps(value)
    (folder / name).write_text("\n".join(lines) + "\n")


def test_folder_is_read_packed_or_not(tmp_path: Path) -> None:
    folder = write_trajectories(tmp_path, tasks=8)
    plain = read_trajectories(folder)
    for name in ("tasks.jsonl", "episodes.jsonl"):
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
        (folder / name).unlink()
    packed = read_trajectories(folder)
    assert packed.digest == plain.digest
    assert (len(plain.tasks), len(plain.episodes), plain.candidates) == (8, 16, (LARGE, SMALL))
    assert holds_trajectories(folder)
    assert not holds_trajectories(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("episodes.jsonl", lambda row: row.update(task_id="t999"), "episodes.jsonl:3: task_id: 't999' is not among"),
        ("episodes.jsonl", lambda row: row.update(candidate="x"), "episodes.jsonl:3: candidate: 'x' is not in"),
        ("episodes.jsonl", lambda row: row.update(success=1), "episodes.jsonl:3: success: 1 must be true or false"),
        ("episodes.jsonl", lambda row: row.update(steps="no"), "episodes.jsonl:3: steps: 'no' must be a list"),
        ("episodes.jsonl", lambda row: row["steps"][1].update(cost_usd=-1), "steps[1].cost_usd: -1 must be a number"),
        ("episodes.jsonl", lambda row: row["steps"][0].update(action=None), "steps[0].action: None must be a text"),
        ("episodes.jsonl", lambda row: row["steps"][0].update(reward="a"), "steps[0].reward: 'a' must be a number"),
        ("tasks.jsonl", lambda row: row.update(split="valid"), "tasks.jsonl:3: split: 'valid' must be one of"),
        ("tasks.jsonl", lambda row: row.update(task_id="t000"), "tasks.jsonl:3: task_id: 't000' is there already"),
    ],
)  # fmt: skip
def test_problem_is_named_by_file_line_and_field(
    tmp_path: Path, name: str, change: Callable[[dict[str, Any]], None], told: str
) -> None:
    folder = write_trajectories(tmp_path, tasks=4)
    changed(folder, name, 2, change)
    with pytest.raises(InvalidInput) as caught:
        read_trajectories(folder)
    assert told in str(caught.value)


def test_second_episode_of_the_same_pair_is_refused(tmp_path: Path) -> None:
    folder = write_trajectories(tmp_path, tasks=4)
    text = (folder / "episodes.jsonl").read_text()
    (folder / "episodes.jsonl").write_text(text + text.splitlines()[0] + "\n")
    with pytest.raises(InvalidInput, match=r"episodes.jsonl:9: task_id: 'mini' has an episode of 't000' already"):
        read_trajectories(folder)


def test_episode_without_a_step_is_left_out_and_told(tmp_path: Path) -> None:
    folder = write_trajectories(tmp_path, tasks=4)
    changed(folder, "episodes.jsonl", 0, lambda row: row.update(steps=[], cost_usd=None))
    checked = check_trajectories(folder)
    assert checked.data is not None
    assert len(checked.data.episodes) == 7
    assert [problem.severity for problem in checked.findings.shown()] == ["warning"]


def test_cost_that_is_not_the_sum_of_the_steps_is_told(tmp_path: Path) -> None:
    folder = write_trajectories(tmp_path, tasks=4)
    changed(folder, "episodes.jsonl", 0, lambda row: row.update(cost_usd=5))
    assert "5 is not the sum of the steps, 0.02" in str(check_trajectories(folder).findings.shown()[0])


def test_candidate_without_prices_is_refused_by_name_or_left_out(tmp_path: Path) -> None:
    data = read_trajectories(write_trajectories(tmp_path, tasks=4, third=True))
    assert chosen_candidates(data, None) == ((LARGE, SMALL), ("unpriced",))
    with pytest.raises(InvalidInput, match=r"'unpriced' has steps without `cost_usd`.*with prices: 'grand', 'mini'"):
        chosen_candidates(data, [SMALL, "unpriced"])
    with pytest.raises(InvalidInput, match="No candidate 'nobody' in the data"):
        chosen_candidates(data, ["nobody"])


def test_missing_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="there is no such file"):
        read_trajectories(tmp_path)
