"""Step policies on public trajectories; skipped where the research data is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.steps import CASES, at, embedded, jobs_under
from routing.steps.episodes import chosen_candidates, read_trajectories
from routing.steps.evaluation import evaluate, world_of
from routing.steps.training import StepOptions, train

DATA = Path(__file__).parents[4] / "shared" / "data" / "trajectories"
RIVALS = ("static-schedule", "random-escalation", "deadline", "random-mixing", "first-large")

pytestmark = [pytest.mark.shared_data, pytest.mark.timeout(600)]


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the research data is not at {DATA}")
@pytest.mark.parametrize("name", ["sql2", "mint2", "mint4"])
def test_cql_reaches_its_targets_on_dev_and_beats_every_baseline(name: str) -> None:
    case = CASES[name]
    inputs = embedded(read_trajectories(DATA / case.data))
    among, _ = chosen_candidates(inputs.data, case.candidates)
    artifact = train("cql", inputs, StepOptions(small=case.small, large=case.large, candidates=among))
    report = evaluate({"cql": artifact}, inputs, small=case.small, large=case.large)
    for target in case.targets:
        mine = at(report.routers["cql"], report.large_usd, target.share)
        assert mine >= target.success, target
        for rival in RIVALS[1:]:
            assert mine >= at(report.baselines[rival], report.large_usd, target.share), rival
    world = world_of(artifact, inputs, split="dev")
    for limit in (0.3, 1.2, 4.8):
        found = jobs_under(world, artifact, limit, jobs=1000, seed=0)
        assert found["overspends"] == 0
        assert found["bankrupt_share"] < 0.01
