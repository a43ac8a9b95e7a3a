"""Thresholds of a cascade, fitted under a budget."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from orchestrator.plans.fitting import RungTable, fit_cascade, frontier, play, read_rungs
from storage.errors import InvalidInput


def table(queries: int = 400, seed: int = 0) -> RungTable:
    """A cheap rung that is right in 60 %, with a score that tells it fairly well; a dear one that is right in 80 %."""
    rng = np.random.default_rng(seed)
    right = rng.random(queries) < 0.6
    scores = np.clip(np.where(right, 0.75, 0.45) + rng.normal(0, 0.12, queries), 0, 1)
    dear = np.where(right, rng.random(queries) < 0.85, rng.random(queries) < 0.72)
    return RungTable(
        candidates=("cheap", "dear"),
        scores=np.column_stack([scores, np.ones(queries)]),
        quality=np.column_stack([right, dear]).astype(float),
        cost_usd=np.tile([1.0, 4.0], (queries, 1)),
    )


def test_cascade_is_better_than_the_dear_rung_alone_for_less() -> None:
    found = fit_cascade(table(), budget_usd=2.6)
    quality, cost = play(table(seed=1), found.thresholds)
    assert quality.mean() > table(seed=1).quality[:, 1].mean()
    assert cost.mean() < 2.8


def test_rung_of_which_little_is_expected_is_not_asked() -> None:
    plain = table()
    known = replace(plain, expected=np.column_stack([plain.quality[:, 0], np.full(len(plain), 0.8)]))
    found = fit_cascade(known, budget_usd=2.6)
    assert found.skip_below[0] > 0
    assert found.quality > fit_cascade(plain, budget_usd=2.6).quality
    quality, cost = play(known, [0.0], [0.5])
    assert cost[plain.quality[:, 0] == 0].tolist() == [4.0] * int((plain.quality[:, 0] == 0).sum())
    assert quality.mean() > 0.8


def test_budget_is_kept_and_more_money_is_never_worse() -> None:
    found = frontier(table())
    assert [each.quality for each in found] == sorted(each.quality for each in found)
    assert all(each.cost_usd <= 5.0 + 1e-9 for each in found)
    assert found[0].thresholds == (0.0,)


def test_rung_that_is_not_reached_costs_nothing() -> None:
    quality, cost = play(table(), [0.0])
    assert cost.tolist() == [1.0] * 400
    np.testing.assert_array_equal(quality, table().quality[:, 0])


def test_budget_below_the_first_rung_is_refused() -> None:
    with pytest.raises(InvalidInput, match="first rung alone costs"):
        fit_cascade(table(), budget_usd=0.5)


def lines(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def rung(name: str, **changes: object) -> dict[str, object]:
    return {"candidate": name, "score": 0.5, "quality": 1, "cost_usd": 0.001, **changes}


def test_rungs_are_read(tmp_path: Path) -> None:
    read = read_rungs(lines(tmp_path / "a.jsonl", {"query_id": "1", "rungs": [rung("a"), rung("b", quality=0)]}))
    assert (read.candidates, read.quality.tolist()) == (("a", "b"), [[1.0, 0.0]])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", ":2: no line of rungs"),
        ({"rungs": [rung("a"), rung("c")]}, ":2: the rungs are not a, b"),
        ({"rungs": [rung("a"), rung("b", score=1.5)]}, ":2: score is 1.5"),
        ({"rungs": [rung("a"), rung("b", cost_usd=None)]}, ":2: cost_usd is None"),
        ({"rungs": [rung("a"), rung("b", quality=True)]}, ":2: quality is True"),
    ],
)
def test_bad_line_is_named(tmp_path: Path, row: object, message: str) -> None:
    path = lines(tmp_path / "a.jsonl", {"rungs": [rung("a"), rung("b")]}, row)
    with pytest.raises(InvalidInput, match=message):
        read_rungs(path)


def test_file_without_rungs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no line with two rungs"):
        read_rungs(lines(tmp_path / "a.jsonl"))
