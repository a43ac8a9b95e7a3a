"""The step policies on episodes whose best policy is known, and what each owes: a seed, and blindness to names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from routing.errors import UnknownRouter
from routing.steps.artifact import KINDS, StepArtifact
from routing.steps.baselines import baselines
from routing.steps.evaluation import evaluate, world_of
from routing.steps.simulator import World, play_all
from routing.steps.training import StepInputs, StepOptions, train
from storage.errors import InvalidInput
from tests.routing.steps.small_episodes import LARGE, LARGE_USD, SMALL, SMALL_USD, small_inputs

SHARES = {"easy": 0.5, "stuck": 0.25, "hopeless": 0.25}
BEST_USD = 0.5 * 2 * SMALL_USD + 0.25 * (SMALL_USD + 2 * LARGE_USD) + 0.25 * SMALL_USD
OPTIONS = StepOptions(small=SMALL, large=LARGE)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> StepInputs:
    return small_inputs(tmp_path_factory.mktemp("steps") / "data", tasks=160)


@pytest.fixture(scope="module")
def trained(inputs: StepInputs) -> dict[str, StepArtifact]:
    return {name: train(name, inputs, OPTIONS) for name in KINDS}


def dev_world(artifact: StepArtifact, inputs: StepInputs) -> World:
    return world_of(artifact, inputs, split="dev")


def test_cql_comes_close_to_the_best_policy(trained: dict[str, StepArtifact], inputs: StepInputs) -> None:
    """Conservatism may cost it one more look at small; every schedule that solves as much costs 0.12."""
    world = dev_world(trained["cql"], inputs)
    found = play_all(world, trained["cql"].scorer, weight=0.5)
    assert found.success.mean() == pytest.approx(1 - SHARES["hopeless"])
    assert BEST_USD - 1e-9 <= found.spent.mean() * world.unit_usd <= BEST_USD + SMALL_USD


@pytest.mark.parametrize("name", ["cql", "bopo"])
def test_learned_policy_beats_every_schedule(name: str, trained: dict[str, StepArtifact], inputs: StepInputs) -> None:
    report = evaluate({name: trained[name]}, inputs, small=SMALL, large=LARGE)
    mine = [(point.cost_share, point.success) for point in report.frontier(report.routers[name])]
    for rival in ("static-schedule", "deadline", "first-large", "random-mixing"):
        for point in report.frontier(report.baselines[rival]):
            if point.success >= 0.74:
                assert min(cost for cost, success in mine if success >= 0.74) < point.cost_share


def test_tiers_give_every_task_that_can_be_solved_its_tier(
    trained: dict[str, StepArtifact], inputs: StepInputs
) -> None:
    world = dev_world(trained["tiers"], inputs)
    found = play_all(world, trained["tiers"].scorer, weight=0.05)
    assert found.success.mean() >= 0.74
    told = trained["tiers"].manifest.metrics
    assert not told["is_collapsed"]
    assert "on_train" in told["without_scale_alignment"]


@pytest.mark.parametrize("name", list(KINDS))
def test_same_seed_gives_the_same_policy(name: str, trained: dict[str, StepArtifact], inputs: StepInputs) -> None:
    again = train(name, inputs, OPTIONS)
    for key, array in trained[name].scorer.arrays().items():
        np.testing.assert_array_equal(again.scorer.arrays()[key], array)


@pytest.mark.parametrize("name", list(KINDS))
def test_names_and_order_of_candidates_change_nothing(
    name: str, trained: dict[str, StepArtifact], inputs: StepInputs, tmp_path: Path
) -> None:
    other = small_inputs(tmp_path / "renamed", tasks=160, rename={SMALL: "zzz", LARGE: "aaa"})
    options = StepOptions(small="zzz", large="aaa", candidates=("aaa", "zzz"))
    renamed = train(name, other, options)
    for weight in (0.1, 0.5, 1.1):
        mine = play_all(dev_world(trained[name], inputs), trained[name].scorer, weight=weight)
        theirs = play_all(dev_world(renamed, other), renamed.scorer, weight=weight)
        np.testing.assert_array_equal(mine.taken, theirs.taken)


@pytest.mark.parametrize("name", list(KINDS))
def test_limits_are_kept_by_every_policy(name: str, trained: dict[str, StepArtifact], inputs: StepInputs) -> None:
    world = dev_world(trained[name], inputs)
    limits = np.exp(np.random.default_rng(3).uniform(np.log(0.05), np.log(4), len(world.journeys.task_ids)))
    found = play_all(world, trained[name].scorer, weight=0.1, remaining=limits)
    assert (found.spent <= limits + 1e-9).all()
    assert not (found.is_broke & (found.spent > 0)).any()


def test_manifest_tells_of_collapse_and_boundary(trained: dict[str, StepArtifact]) -> None:
    told = trained["bopo"].manifest.metrics
    assert told["boundary"] == {"easy": 0.5, "hard": 0.25, "intractable": 0.25}
    assert told["hard_share"] == 0.25
    assert told["on_train"][0]["hard_success"] == 1.0
    assert 0 < told["on_train"][0]["cheapest_step_share"] < 1


def test_baselines_are_exact(trained: dict[str, StepArtifact], inputs: StepInputs) -> None:
    artifact = trained["cql"]
    world = dev_world(artifact, inputs)
    small, large = (world.journeys.candidates.index(id) for id in (SMALL, LARGE))
    found = baselines(world, artifact.schedules, small=small, large=large)
    means = {name: (each[0].success.mean(), each[0].cost_usd.mean()) for name, each in found.items()}
    dear = 0.75 * 2 * LARGE_USD + 0.25 * 6 * LARGE_USD
    cheap = 0.5 * 2 * SMALL_USD + 0.5 * 6 * SMALL_USD
    assert means["always-small"] == pytest.approx((0.5, cheap))
    assert means["always-large"] == pytest.approx((0.75, dear))
    assert means["perfect-verifier-cascade"] == pytest.approx(
        (0.75, cheap + 0.25 * 2 * LARGE_USD + 0.25 * 6 * LARGE_USD)
    )
    assert means["oracle"] == pytest.approx((0.75, 0.5 * 2 * SMALL_USD + 0.25 * 2 * LARGE_USD))
    half = next(each for each in found["random-escalation"] if each.name == "k=1, share=0.5")
    whole = next(each for each in found["deadline"] if each.name == "k=1")
    assert half.success.mean() == pytest.approx((0.5 + whole.success.mean()) / 2)
    assert set(found) == {
        "always-small", "always-large", "random-mixing", "first-large", "deadline", "random-escalation",
        "static-schedule", "perfect-verifier-cascade", "oracle",
    }  # fmt: skip


def test_what_cannot_be_trained_is_refused(inputs: StepInputs) -> None:
    with pytest.raises(UnknownRouter, match="did you mean 'cql'"):
        train("cqll", inputs, OPTIONS)
    with pytest.raises(InvalidInput, match="name two candidates"):
        train("cql", inputs, StepOptions(small=SMALL, large=SMALL))
