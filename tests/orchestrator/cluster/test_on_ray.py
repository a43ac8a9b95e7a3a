"""Jobs on a Ray cluster of several nodes, emulated on this machine by real node processes, some of which are killed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from orchestrator.bootstrap import bootstrap
from orchestrator.cluster.calls import answered
from orchestrator.cluster.carried import without_own_worker
from orchestrator.cluster.connection import joined
from orchestrator.cluster.serving import workers_for
from orchestrator.cluster.supervisor import Running, Supervisor
from orchestrator.jobs.request import JobRequest
from orchestrator.service import Service
from orchestrator.settings import Settings
from storage.audit import verify
from storage.job_records import Job
from tests.conftest import LARGE, SMALL, scripted_settings
from tests.orchestrator.cluster.upstream import HOLD, WRONG, Upstream, upstream
from tests.orchestrator.doubles import until
from tests.orchestrator.test_trained_routers import registered, router_files

LEASE_SECONDS = 2.0
SECONDS = 40.0  # that something may take on a busy machine
POLICIES = ("table", "thompson", "linucb", "pheromone")
QUESTION = "Which king ruled the quiet river empire in the year 800?"
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}

pytestmark = [
    pytest.mark.ray,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(240),  # starting nodes takes half a minute on a busy machine
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of Ray's own sockets and files
    pytest.mark.filterwarnings("ignore::FutureWarning:ray.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that takes no workers, and one node that does."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={**NODE, "num_cpus": 0, "include_dashboard": False})
    made.add_node(**NODE)
    try:
        yield made
    finally:
        made.shutdown()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model() -> AsyncIterator[Upstream]:
    async with upstream() as listening:
        yield listening


class Gateway:
    """A service whose jobs are run on the cluster; can be closed and opened again."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.service: Service
        self.supervisor: Supervisor
        self._opened = AsyncExitStack()

    async def open(self) -> None:
        self.service = await bootstrap(without_own_worker(self.settings))
        self._opened.push_async_callback(self.service.close)
        self.supervisor = await self._opened.enter_async_context(workers_for(self.service, self.settings))

    async def close(self) -> None:
        await self._opened.aclose()

    async def submit(self, text: str) -> Job:
        return await self.service.jobs.submit(JobRequest(input={"text": text}))

    async def ended(self, job: Job) -> Job:
        return await self.service.jobs.wait(job.id, timeout_seconds=SECONDS)

    async def have(self, count: int) -> list[Running]:
        """That many workers, once they are ready."""
        return await eventually(lambda: len(self.ready) == count and self.ready)

    @property
    def ready(self) -> list[Running]:
        return [worker for worker in self.supervisor.workers if worker.facts is not None]

    async def holder(self, job: Job) -> Running:
        """Of the job, once there is one."""
        await eventually(lambda: self.ready)
        name = (await self.service.jobs.get(job.id)).worker
        [found] = [worker for worker in self.ready if worker.facts.worker == name]
        return found


async def eventually(look: Callable[[], Any]) -> Any:
    """What `look` gives as soon as that is something."""

    async def is_there() -> bool:
        return bool(look())

    await until(is_there, seconds=SECONDS)
    return look()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(cluster: Any, model: Upstream, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    models = {
        name: {**card, "provider": "openai", "base_url": model.base_url, "timeout_seconds": 90}
        for name, card in {"small": SMALL, "large": LARGE}.items()
    }
    settings = scripted_settings(
        store_url=f"sqlite:///{tmp_path_factory.mktemp('ray') / 'store.db'}",
        models=models,
        policy="auto",
        seed=None,
        jobs={"lease_seconds": LEASE_SECONDS, "poll_seconds": 0.2},
        ray={"cpus_per_worker": 1, "drain_seconds": 0, "encoder": "actor", "scorer": "actor"},
        server={"secret": "s" * 40},
    )
    with joined(cluster.address, settings.ray):
        gateway = Gateway(settings)
        await gateway.open()
        try:
            yield gateway
        finally:
            model.gate.set()
            await gateway.close()


@asynccontextmanager
async def held(gateway: Gateway, model: Upstream, question: str) -> AsyncIterator[tuple[Job, Running]]:
    """A job in mid step, and its worker; the step can end when the block does."""
    model.gate.clear()
    job = await gateway.submit(question)
    await model.times(question, 1)
    try:
        yield job, await gateway.holder(job)
    finally:
        model.gate.set()


async def test_each_node_with_cpus_has_a_worker_which_runs_jobs(gateway: Gateway) -> None:
    [worker] = await gateway.have(1)
    job = await gateway.ended(await gateway.submit("What is in the river?"))
    assert (job.state, await claimants(gateway, job)) == ("succeeded", [worker.facts.worker])
    assert (await gateway.service.jobs.result(job.id)).answer == "re: What is in the river?"
    assert "no job worker is ready" not in gateway.supervisor.notices()


async def test_a_node_that_joins_gets_a_worker(gateway: Gateway, cluster: Any) -> None:
    [first] = await gateway.have(1)
    cluster.add_node(**NODE)  # in this thread: Ray's processes die with the one that started them
    workers = await gateway.have(2)
    assert {worker.node_id for worker in workers} > {first.node_id}


async def test_a_promotion_reaches_all_workers(gateway: Gateway, tmp_path: Path) -> None:
    workers = await gateway.have(2)
    before = await decisions(workers, "auto")
    version = await registered(gateway.service.stores, router_files(tmp_path), "active", id="promoted")

    async def is_everywhere() -> bool:
        return {decision.policy for decision in await decisions(workers, "auto")} == {"graph"}

    await until(is_everywhere, seconds=SECONDS)
    after = await decisions(workers, "auto")
    assert {decision.policy for decision in before} == {"table"}
    assert {decision.policy_version for decision in after} == {version.id}
    assert len({decision.policy_sha256 for decision in after}) == 1


async def test_workers_go_on_by_themselves_when_a_shared_actor_is_gone(gateway: Gateway) -> None:
    import ray

    shared = gateway.supervisor.fleet.shared
    workers = await gateway.have(2)
    [before, _] = await decisions(workers, "graph", "A text that nobody asked before")
    for actor in (shared.encoder, shared.scorer):
        ray.kill(actor)
    [after, _] = await decisions(workers, "graph", "Another text that nobody asked before")
    assert before.encoder == after.encoder
    assert before.policy_version == after.policy_version == "promoted"
    [told, _] = await asyncio.gather(*(answered(worker.handle.notices.remote()) for worker in workers))
    assert "the actor that encodes texts does not answer (ActorDiedError): it is done in this process" in told


async def test_a_reward_earned_in_one_worker_changes_the_policies_of_all(gateway: Gateway) -> None:
    workers = await gateway.have(2)
    before = {name: await digests(gateway, workers, name) for name in POLICIES}
    request = JobRequest(input={"text": f"A {WRONG} question", "options": {"candidate": "small"}})
    job = await gateway.ended(await gateway.service.jobs.submit(request))
    assert set(await claimants(gateway, job)) < {worker.facts.worker for worker in workers}
    [attempt] = (await gateway.service.trace(job.run_id)).attempts
    assert [reward.value for reward in attempt.rewards] == [0.0]  # it failed

    async def are_level() -> bool:
        after = {name: await digests(gateway, workers, name) for name in POLICIES}
        return all(len(after[name]) == 1 and after[name] != before[name] for name in POLICIES)

    await until(are_level, seconds=SECONDS)


async def test_a_killed_workers_job_ends_once_by_another_and_the_worker_is_replaced(
    gateway: Gateway, model: Upstream
) -> None:
    await gateway.have(2)
    question = f"{HOLD} until the worker is killed"
    async with held(gateway, model, question) as (job, worker):
        os.kill(worker.facts.pid, signal.SIGKILL)
        await model.times(question, 2)
    ended = await gateway.ended(job)
    assert (ended.state, ended.fence) == ("succeeded", 2)
    assert len(set(await claimants(gateway, job))) == 2
    kinds = [event.kind for event in await gateway.service.stores.jobs.events(job.id)]
    assert kinds.count("succeeded") == 1
    assert "resumed" in kinds
    assert worker not in await gateway.have(2)
    assert (await verify(gateway.service.stores)).is_whole


async def test_a_killed_nodes_jobs_resume_on_another(gateway: Gateway, model: Upstream, cluster: Any) -> None:
    await gateway.have(2)
    question = f"{HOLD} until the node is killed"
    async with held(gateway, model, question) as (job, worker):
        [node] = [each for each in cluster.worker_nodes if each.node_id == worker.node_id]
        await asyncio.to_thread(cluster.remove_node, node, allow_graceful=False)
        await model.times(question, 2)
    ended = await gateway.ended(job)
    assert (ended.state, ended.fence) == ("succeeded", 2)
    [other] = await gateway.have(1)
    assert other.node_id != worker.node_id


async def test_a_gateway_that_starts_again_finds_its_jobs(gateway: Gateway, model: Upstream) -> None:
    await gateway.have(1)
    question = f"{HOLD} until the gateway is there again"
    async with held(gateway, model, question) as (job, _):
        await gateway.close()
        await gateway.open()
        await model.times(question, 2)
    assert (await gateway.ended(job)).state == "succeeded"


async def claimants(gateway: Gateway, job: Job) -> list[str]:
    """The workers that had the job, in order."""
    events = await gateway.service.stores.jobs.events(job.id)
    return [event.data["worker"] for event in events if event.kind in ("started", "resumed")]


async def decisions(workers: list[Running], policy: str, question: str = QUESTION) -> list[Any]:
    asked = [worker.handle.decide.remote(question, policy=policy) for worker in workers]
    return list(await asyncio.gather(*(answered(each) for each in asked)))


async def digests(gateway: Gateway, workers: list[Running], policy: str) -> set[str]:
    """What the policy has learned, in the gateway and in each worker."""
    here = await gateway.service.route(QUESTION, policy=policy)
    return {decision.policy_sha256 for decision in [here, *await decisions(workers, policy)]}
