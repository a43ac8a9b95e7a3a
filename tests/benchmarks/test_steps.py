"""The benchmark of step policies: what counts as reached, and what jobs under a limit come to."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.steps import Target, jobs_under, target_row
from routing.steps.baselines import Setting
from routing.steps.evaluation import world_of
from routing.steps.training import StepOptions, train
from tests.routing.steps.small_episodes import LARGE, SMALL, small_inputs


def setting(success: float, cost: float) -> Setting:
    return Setting(name="x", success=np.full(4, success), cost_usd=np.full(4, cost))


def test_target_takes_the_best_setting_within_the_cost() -> None:
    runs = [[setting(0.5, 0.4), setting(0.7, 0.6)], [setting(0.6, 0.4), setting(0.9, 0.6)]]
    row = target_row(Target(share=0.5, success=0.55), runs, np.ones(4))
    assert (row["found"], row["least"], row["is_reached"]) == (0.55, 0.5, True)
    row = target_row(Target(share=0.3, success=0.1), runs, np.ones(4))
    assert (row["found"], row["is_reached"]) == (0.0, False)
    assert row["mixed"] > 0.1


def test_jobs_under_a_limit_are_told_apart(tmp_path: Path) -> None:
    inputs = small_inputs(tmp_path / "data")
    artifact = train("cql", inputs, StepOptions(small=SMALL, large=LARGE))
    world = world_of(artifact, inputs, split="dev")
    poor = jobs_under(world, artifact, 0.01, jobs=50, seed=0)
    assert (poor["refused_share"], poor["bankrupt_share"], poor["overspends"]) == (1.0, 0.0, 0)
    rich = jobs_under(world, artifact, 4.0, jobs=200, seed=0)
    assert (rich["overspends"], rich["bankrupt_share"], rich["refused_share"]) == (0, 0, 0)
    assert rich["success"] > 0.6
