"""The router over trained routers: auto, the fall back to the table, the shadow, and changes while it is asked."""

from __future__ import annotations

import asyncio
from itertools import permutations
from pathlib import Path

import pytest

from routing.base import Option
from routing.encoders.cached import CachedEncoder
from routing.encoders.hashing import HashingEncoder
from routing.errors import UnknownPolicy
from routing.features import TaskCatalog, TaskFeaturizer
from routing.forecasts import Weights
from routing.learned import ForecastingFeaturizer
from routing.registry import make_policy
from routing.router import PolicyRouter
from routing.snapshots import state_sha256
from storage.records import Query
from tests.routing.doubles import a_decision, a_reward, an_option
from tests.routing.trained import FixedPredictor, Version, a_version, trained_files

CATALOG = TaskCatalog(task_to_examples={"sums": ["add 3 and 4"], "poems": ["write a poem"]})
QUERY = Query(text="add 5 and 6")
OPTIONS = [an_option("model-a"), an_option("model-b"), an_option("model-c")]
PREFERS_A = FixedPredictor([0.9, 0.5, 0.1], [0.02, 0.01, 0.001])
PREFERS_C = FixedPredictor([0.1, 0.5, 0.9], [0.001, 0.01, 0.02])


def a_router(*, default: str = "auto") -> tuple[PolicyRouter, ForecastingFeaturizer]:
    cached = CachedEncoder(HashingEncoder())
    featurizer = ForecastingFeaturizer(TaskFeaturizer(cached, CATALOG), cached)
    policies = {name: make_policy(name) for name in ("table", "graph", "uniform")}
    return PolicyRouter(policies, featurizer, default=default, seed=7), featurizer


async def test_auto_is_the_table_until_a_router_is_active() -> None:
    router, featurizer = a_router()
    before = await router.route(QUERY, OPTIONS)
    assert (before.policy, before.policy_version, before.weights) == ("table", "1", None)
    featurizer.use(a_version(PREFERS_A))
    after = await router.route(QUERY, OPTIONS, weights=Weights(cost=0.1))
    assert (after.policy, after.policy_version, after.policy_sha256) == ("graph", "version_a", "version_a" * 4)
    assert after.weights == Weights(cost=0.1)
    assert after.assessments[0].probability > 0.9
    assert (await router.route(QUERY, OPTIONS, policy="table")).policy == "table"
    featurizer.use(None)
    assert (await router.route(QUERY, OPTIONS)).policy == "table"


async def test_auto_needs_its_table() -> None:
    cached = CachedEncoder(HashingEncoder())
    with pytest.raises(UnknownPolicy, match="No policy 'table'"):
        PolicyRouter({"graph": make_policy("graph")}, TaskFeaturizer(cached, CATALOG), default="auto")


@pytest.mark.parametrize(
    ("policy", "is_refused", "label"),
    [
        ("graph", False, "table (after no_active_router)"),
        ("graph", True, "table (after artifact_refused)"),
        ("auto", True, "table (after artifact_refused)"),
    ],
)
async def test_without_a_router_that_serves_the_table_chooses_and_the_choice_says_so(
    policy: str, is_refused: bool, label: str
) -> None:
    router, featurizer = a_router()
    featurizer.use(None, is_refused=is_refused)
    choice = await router.route(QUERY, OPTIONS, policy=policy)
    table = await router.route(QUERY, OPTIONS, policy="table")
    assert (choice.policy, choice.policy_version) == (label, table.policy_version)
    assert choice.policy_sha256 == state_sha256(make_policy("table").state())
    assert choice.assessments == table.assessments


@pytest.mark.parametrize(
    "broken",
    [
        FixedPredictor([0.9, float("nan"), 0.1], [1, 1, 1]),
        FixedPredictor([0.9, 0.5, 0.1], [1, 1, 1], error=IndexError("beyond the end")),
    ],
)
async def test_a_bad_forecast_falls_back_and_the_choice_says_so(broken: FixedPredictor) -> None:
    router, featurizer = a_router()
    featurizer.use(a_version(broken))
    assert (await router.route(QUERY, OPTIONS)).policy == "table (after bad_forecast)"


async def test_the_order_of_the_options_changes_no_choice(tmp_path: Path) -> None:
    version = Version(version_id="version_a", artifact=trained_files(tmp_path / "router"))
    texts = [f"Write a python function number {number} that adds {number} and 3" for number in range(8)]

    async def chosen(options: tuple[Option, ...]) -> tuple[list[str | None], list[float]]:
        router, featurizer = a_router()
        featurizer.use(version)
        choices = [await router.route(Query(text=text), options, weights=Weights(cost=0.2)) for text in texts]
        assert {choice.policy for choice in choices} == {"graph"}
        return [choice.candidate_id for choice in choices], [choice.propensity for choice in choices]

    every = [await chosen(order) for order in permutations((*OPTIONS, an_option("newcomer")))]
    for picked, propensities in every:
        assert picked == every[0][0]
        assert propensities == pytest.approx(every[0][1], abs=1e-12)


async def test_the_shadow_is_recorded_and_changes_nothing() -> None:
    router, featurizer = a_router()
    featurizer.use(a_version(PREFERS_A))
    alone = await router.route(QUERY, OPTIONS)
    assert alone.shadow is None
    watched, featurizer = a_router()
    featurizer.use(a_version(PREFERS_A), a_version(PREFERS_C, name="version_b"))
    choice = await watched.route(QUERY, OPTIONS)
    assert choice.candidate_id == alone.candidate_id == "model-a"
    assert choice.assessments == alone.assessments
    assert choice.shadow is not None
    assert (choice.shadow.policy_version, choice.shadow.candidate_id) == ("version_b", "model-c")
    assert choice.shadow.probability == pytest.approx(0.05 / 3)


async def test_a_shadow_like_the_active_one_always_agrees_even_when_chance_explores() -> None:
    router, featurizer = a_router()
    featurizer.use(a_version(PREFERS_A), a_version(PREFERS_A, name="version_b"))
    choices = [await router.route(QUERY, OPTIONS) for _ in range(200)]
    assert len({choice.candidate_id for choice in choices}) > 1
    for choice in choices:
        assert choice.shadow is not None
        assert (choice.shadow.candidate_id, choice.shadow.probability) == (choice.candidate_id, choice.propensity)


async def test_a_shadow_is_watched_beside_the_table_and_falls_out_when_it_fails() -> None:
    router, featurizer = a_router()
    featurizer.use(None, a_version(PREFERS_C, name="version_b"))
    choice = await router.route(QUERY, OPTIONS)
    assert choice.policy == "table"
    assert choice.shadow is not None
    assert choice.shadow.candidate_id == "model-c" or choice.shadow.probability < 0.05
    broken = FixedPredictor([0.9, 0.5, 0.1], [1, 1, 1], error=ValueError("broken"))
    featurizer.use(a_version(PREFERS_A), a_version(broken, name="version_b"))
    choice = await router.route(QUERY, OPTIONS)
    assert (choice.policy, choice.shadow) == ("graph", None)
    nobody = await router.route(QUERY, [an_option("model-a", mask_reason="too dear")])
    assert (nobody.candidate_id, nobody.shadow) == (None, None)


async def test_decisions_of_the_trained_router_teach_the_policies_that_learn_in_service() -> None:
    router, featurizer = a_router()
    featurizer.use(a_version(PREFERS_A))
    decision = a_decision(await router.route(QUERY, OPTIONS))
    router.learn(decision, a_reward(decision, 1.0))
    assert router.ignored == {}
    assert router.state("table") == router.state("graph") != make_policy("table").state()


async def test_changing_the_router_under_load_loses_no_request_and_mixes_none(tmp_path: Path) -> None:
    artifacts = [trained_files(tmp_path / str(seed), seed=seed) for seed in (0, 1)]
    versions = [Version(version_id=f"version_{place}", artifact=each) for place, each in enumerate(artifacts)]
    router, featurizer = a_router()
    featurizer.use(versions[0], versions[1])
    done = asyncio.Event()
    swaps = 0

    async def swap() -> None:
        nonlocal swaps
        while not done.is_set():
            swaps += 1
            featurizer.use(versions[swaps % 2], versions[1 - swaps % 2])
            await asyncio.sleep(0)

    swapping = asyncio.create_task(swap())
    texts = [Query(text=f"What is {number} plus {number % 7}?") for number in range(300)]
    choices = await asyncio.gather(*(router.route(query, OPTIONS) for query in texts + texts))
    done.set()
    await swapping
    sha256 = {version.version_id: version.artifact.sha256 for version in versions}
    for choice in choices:
        assert (choice.policy, choice.policy_sha256) == ("graph", sha256[choice.policy_version])
        assert choice.shadow is not None
        assert {choice.policy_version, choice.shadow.policy_version} == set(sha256)
    assert {choice.policy_version for choice in choices} == set(sha256)
    assert swaps > 2
