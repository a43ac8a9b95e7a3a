"""The benchmark of replays on a small log: every decision the same again, and nothing that differs."""

from __future__ import annotations

from pathlib import Path

from benchmarks.replay import made_again
from benchmarks.replay_log import made_log, multiplied
from storage.registry import open_stores
from storage.stores import DecisionFilter


async def test_every_really_made_decision_is_the_same_when_made_again(tmp_path: Path) -> None:
    made = await made_log(f"sqlite:///{tmp_path / 'log.db'}", tmp_path, decisions=48, seed=3)
    stores = await open_stores(made.url)
    again = await made_again(made, stores)
    assert again["replayed"] >= 48  # with the attempts after failures
    assert again["same_action"] == again["replayed"]
    assert again["with_faults"] == 0
    assert again["recomputed"]["differ"] == 0
    assert again["recomputed"]["bit_equal"] + again["recomputed"]["within_1e-6"] == again["replayed"]
    assert {"graph", "thompson", "linucb", "pheromone", "table"} <= set(again["by_policy"])
    assert await multiplied(stores, 1) == again["replayed"]
    assert len(await stores.decisions.find(DecisionFilter(limit=1000))) == 2 * again["replayed"]
    await stores.close()
