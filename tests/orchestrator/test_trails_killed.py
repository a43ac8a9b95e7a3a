"""A process that is killed between a reward and its trail: the next start fills the gap, exactly once."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from orchestrator.service import Service
from storage.registry import open_stores
from storage.trail_records import TrailEvent
from tests.conftest import MakeService
from tests.storage.processes import started

MEMORY = "pheromone"
LEARNS = """
import asyncio, sys
from agents.llm import ScriptedLLM
from orchestrator.bootstrap import bootstrap
from tests.conftest import answers, scripted_settings
async def work():
    llms = {name: ScriptedLLM(reply=answers) for name in ("small", "large")}
    service = await bootstrap(scripted_settings(store_url=sys.argv[1]), llms=llms)
    await service.trails.stop()  # nothing is stored in the background any more
    for number in range(int(sys.argv[2])):
        run = await service.run(f"What is the capital of France? {number}")
        await service.feedback(run.decision_id, quality=1.0)
        await asyncio.sleep(0)  # the reward is learned at the loop's next turn
        if sys.argv[3] == "stored":
            await service.trails.flush()
        print(run.decision_id, service.trails.pending, len(service.trails.live("pheromone").drain()), flush=True)
    await asyncio.sleep(60)
asyncio.run(work())
"""


async def killed(url: str, *, lessons: int, until: str) -> list[str]:
    """Decisions that a process had rewarded when it was killed, `stored` or `learned` as their trails were."""
    process = started(LEARNS, url, str(lessons), until)
    assert process.stdout is not None
    lines = [await asyncio.to_thread(process.stdout.readline) for _ in range(lessons)]
    process.send_signal(signal.SIGKILL)
    _, said = await asyncio.to_thread(process.communicate)
    assert process.returncode == -signal.SIGKILL, said
    assert all(lines), said
    return [line.split()[0] for line in lines]


async def judged(service: Service) -> str:
    """The decision of one more run, which is judged before the service closes."""
    run = await service.run("What is the capital of France?")
    await service.feedback(run.decision_id, quality=1.0)
    await service.close()
    return run.decision_id


async def deposits(url: str) -> list[TrailEvent]:
    stores = await open_stores(url)
    events = await stores.trails.events(MEMORY)
    await stores.close()
    return [event for event in events if event.kind == "deposit"]


async def counted(service: Service) -> float:
    """Lessons in the cells of the memory that chooses."""
    [table] = await service.memory(MEMORY)
    return sum(cell.n for cell in table.cells)


@pytest.mark.parametrize("until", ["learned", "stored"])
async def test_a_reward_whose_trail_was_lost_or_stored_counts_once(
    tmp_path: Path, make_service: MakeService, until: str
) -> None:
    url = f"sqlite:///{tmp_path}/antroute.db"
    decisions = await killed(url, lessons=6, until=until)
    assert len(await deposits(url)) == (6 if until == "stored" else 0)
    counts = []
    for _ in range(3):
        service = await make_service(store_url=url)
        counts.append(await counted(service))
        await service.close()
    assert sorted(event.decision_id or "" for event in await deposits(url)) == sorted(decisions)
    assert counts[0] == pytest.approx(counts[1]) == pytest.approx(counts[2])
    assert counts[0] == pytest.approx(6, abs=0.2)  # shares of a mixture below a hundredth are not booked


async def test_what_was_learned_before_and_after_the_kill_is_one_memory(
    tmp_path: Path, make_service: MakeService
) -> None:
    url = f"sqlite:///{tmp_path}/antroute.db"
    before = await judged(await make_service(store_url=url))
    again = await killed(url, lessons=3, until="learned")
    after = await judged(await make_service(store_url=url))
    assert [event.decision_id for event in await deposits(url)] == [before, *again, after]


async def test_a_reset_is_not_undone_by_the_rewards_of_the_log(tmp_path: Path, make_service: MakeService) -> None:
    url = f"sqlite:///{tmp_path}/antroute.db"
    await judged(await make_service(store_url=url))
    service = await make_service(store_url=url)
    assert await counted(service) > 0
    await service.trails.reset(MEMORY)
    await service.close()
    service = await make_service(store_url=url)
    assert await counted(service) == 0
    await service.close()


async def test_a_state_is_hashed_anew_after_another_process_changed_it(
    tmp_path: Path, make_service: MakeService
) -> None:
    """The decision names the state that chose, also where that state came from elsewhere."""
    url = f"sqlite:///{tmp_path}/antroute.db"
    here, there = await make_service(store_url=url, policy=MEMORY), await make_service(store_url=url, policy=MEMORY)
    before = (await here.route("What is the capital of France?")).policy_sha256
    run = await there.run("What is the capital of France?")
    await there.feedback(run.decision_id, quality=1.0)
    await there.trails.flush()
    await here.trails.flush()
    after = (await here.route("What is the capital of France?")).policy_sha256
    assert after != before
    assert after == (await there.route("What is the capital of France?")).policy_sha256
