"""Two processes with one log come to know the same, whoever answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.bootstrap import bootstrap
from orchestrator.reward_tail import RewardTail
from orchestrator.service import Service
from storage.records import Decision, Reward
from storage.registry import open_stores
from tests.conftest import scripted_settings
from tests.orchestrator.doubles import until

QUESTION = "What is 17 × 3?"
POLICIES = ("table", "thompson", "linucb", "pheromone")


async def states(service: Service) -> dict[str, str]:
    """Digests of what each policy has learned."""
    return {name: (await service.route(QUESTION, policy=name)).policy_sha256 for name in POLICIES}


async def judged(service: Service, count: int) -> None:
    for number in range(count):
        run = await service.run(f"{QUESTION} {number}")
        await service.feedback(run.decision_id, quality=float(number % 2))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'log.db'}"


async def test_a_reward_of_another_process_is_learned_here_within_seconds(url: str) -> None:
    here, there = await bootstrap(scripted_settings(store_url=url)), await bootstrap(scripted_settings(store_url=url))
    try:
        before = await states(here)
        await judged(there, 4)

        async def is_level() -> bool:
            return await states(here) == await states(there)

        await until(is_level)
        assert all(digest != before[name] for name, digest in (await states(here)).items())
    finally:
        await here.close()
        await there.close()


async def test_each_reward_is_learned_once_whoever_learned_it_first(url: str) -> None:
    there = await bootstrap(scripted_settings(store_url=url))
    await judged(there, 3)
    here = await open_stores(url)
    learned: list[str] = []

    def learn(decision: Decision, reward: Reward) -> None:
        learned.append(decision.id)

    try:
        tail = RewardTail(here, learn)
        await tail.begin()
        assert await tail.look() == 0  # all of these were there at the start
        await judged(there, 3)
        early = (await here.decisions.rewarded(limit=1))[0].decision.id
        tail.skip(early)
        assert await tail.look() == 2
        assert early not in learned
        await there.feedback(learned[0], quality=0.5)  # a later verdict is for the next start
        assert await tail.look() == 0
    finally:
        await here.close()
        await there.close()


async def test_more_than_a_page_is_learned_in_one_look(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.reward_tail.PAGE", 2)
    there = await bootstrap(scripted_settings(store_url=url))
    here = await open_stores(url)
    learned: list[str] = []
    try:
        tail = RewardTail(here, lambda decision, reward: learned.append(decision.id))
        await judged(there, 5)
        assert await tail.look() == 5
        assert len(set(learned)) == 5
    finally:
        await here.close()
        await there.close()
