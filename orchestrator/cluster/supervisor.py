"""Keeps the job workers of a cluster alive: starts them where they are missing, and tells them what happens here."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from orchestrator.cluster.calls import TROUBLES, answered
from orchestrator.cluster.placement import Node, missing
from orchestrator.cluster.worker_actor import SharedActors, WorkerFacts
from orchestrator.jobs.bell import CANCELS, WORK, Bell
from orchestrator.ray_settings import RaySettings
from storage.errors import ServiceError

LOOK_SECONDS = 1.0  # between two looks at the nodes
GATHER_SECONDS = 0.05  # in which rings become one
STEADY_SECONDS = 30.0  # a worker that lived so long has not failed at its start
LONGEST_PAUSE_SECONDS = 60.0  # between two tries on a node where workers do not live
CALL_SECONDS = 10.0  # for a short call to a worker
LOOKS_A_NOTICE = 5  # looks between two questions to each worker how it is

log = logging.getLogger("antroute.cluster")


class Fleet(Protocol):
    """Where workers are started; on Ray, or a double."""

    shared: SharedActors

    def open(self) -> None: ...

    async def nodes(self) -> list[Node]: ...

    def worker(self, node_id: str, host: Any, model_names: tuple[str, ...], routers: Mapping[str, Any]) -> Any: ...

    def model_host(self, node_id: str) -> Any: ...

    def end(self, handle: Any) -> None: ...


class Publisher(Protocol):
    """Who puts routers where workers find them."""

    references: dict[str, Any]

    async def look(self) -> dict[str, Any]: ...


@dataclass(eq=False, kw_only=True)
class Running:
    """One worker, from the moment it was wanted."""

    node_id: str
    handle: Any = None
    facts: WorkerFacts | None = None  # None: not ready yet
    notices: tuple[str, ...] = ()
    life: asyncio.Task[None] | None = None


@dataclass(kw_only=True)
class _Failures:
    """Of one node, one after the other."""

    count: int
    latest: str
    at: float

    @property
    def pause_seconds(self) -> float:
        """None after the first one; then twice as long each time."""
        return 0.0 if self.count < 2 else min(2.0 ** (self.count - 1), LONGEST_PAUSE_SECONDS)


class Supervisor:
    """Runs between `start` and `stop`. `bell`: of the process that takes jobs in."""

    def __init__(
        self,
        fleet: Fleet,
        publisher: Publisher,
        settings: RaySettings,
        bell: Bell,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.workers: list[Running] = []
        self.ready = asyncio.Event()  # set once a worker has been ready
        self.fleet = fleet
        self._publisher = publisher
        self._settings = settings
        self._bell = bell
        self._clock = clock
        self._hosts: dict[str, Any] = {}  # of local models, by node
        self._failures: dict[str, _Failures] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._nudge = asyncio.Event()
        self._looks = 0

    def start(self) -> None:
        """Starts the shared actors, and begins to look."""
        self.fleet.open()
        self._loops = [
            asyncio.create_task(work) for work in (self._watch(), self._pass_on(WORK), self._pass_on(CANCELS))
        ]

    async def stop(self) -> None:
        """Gives the workers time for the jobs at hand, and ends them."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        workers = list(self.workers)
        await asyncio.gather(*(self._close(worker) for worker in workers))
        for worker in workers:
            if worker.life is not None:
                worker.life.cancel()
        await asyncio.gather(*(worker.life for worker in workers if worker.life is not None), return_exceptions=True)
        hosts, self._hosts = dict(self._hosts), {}
        await asyncio.gather(*(self._quietly(host.close.remote()) for host in hosts.values()))
        for host in hosts.values():
            self.fleet.end(host)

    def notices(self) -> tuple[str, ...]:
        """What is missing of the workers, and what they say of themselves."""
        told = [] if any(worker.facts for worker in self.workers) else ["no job worker is ready"]
        told += [
            f"workers on node {node_id[:8]} do not live: {each.latest}" for node_id, each in self._failures.items()
        ]
        told += [
            f"worker on node {worker.node_id[:8]}: {notice}" for worker in self.workers for notice in worker.notices
        ]
        return tuple(dict.fromkeys(told))

    async def look(self) -> None:
        """Starts what is missing, and hands on what serves now. Raises what the store and Ray raise."""
        nodes = await self.fleet.nodes()
        await self._forget({node.id for node in nodes})
        taken = [worker.node_id for worker in self.workers]
        wanted = missing(nodes, taken, workers=self._settings.workers, cpus_per_worker=self._settings.cpus_per_worker)
        for node_id in wanted:
            if self._may_start(node_id):
                worker = Running(node_id=node_id)
                self.workers.append(worker)
                worker.life = asyncio.create_task(self._live(worker))
        await self._publish()
        self._looks += 1
        if self._looks % LOOKS_A_NOTICE == 0:
            await asyncio.gather(*(self._ask(worker) for worker in self._ready()))

    async def _watch(self) -> None:
        while True:
            self._nudge.clear()
            try:
                await self.look()
            except (ServiceError, *TROUBLES) as error:
                log.warning("The cluster could not be looked at: %s", type(error).__name__)
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._nudge.wait()
            except TimeoutError:
                continue

    async def _live(self, worker: Running) -> None:
        """From its start to its end, however that comes."""
        began = self._clock()
        try:
            async with asyncio.timeout(self._settings.start_seconds):
                host, names = await self._models(worker.node_id)
                worker.handle = self.fleet.worker(worker.node_id, host, names, self._publisher.references)
                worker.facts = await answered(worker.handle.open.remote())
            log.info("Worker %s is ready on node %s.", worker.facts.worker, worker.node_id[:8])
            self.ready.set()
            await answered(worker.handle.live.remote())
        except (ServiceError, *TROUBLES) as error:
            self._note_end(worker, error, lived=self._clock() - began)
        finally:
            self.workers.remove(worker)
            if worker.handle is not None:
                self.fleet.end(worker.handle)
            self._nudge.set()

    def _note_end(self, worker: Running, error: BaseException, *, lived: float) -> None:
        words = str(error).strip().splitlines() or [""]
        told = f"{type(error).__name__}: {words[-1][:200]}"
        log.warning("A worker on node %s ended after %.1f s: %s", worker.node_id[:8], lived, told)
        if worker.facts is not None and lived >= STEADY_SECONDS:
            self._failures.pop(worker.node_id, None)
            return
        earlier = self._failures.get(worker.node_id)
        count = 1 if earlier is None else earlier.count + 1
        self._failures[worker.node_id] = _Failures(count=count, latest=told, at=self._clock())

    def _may_start(self, node_id: str) -> bool:
        failures = self._failures.get(node_id)
        return failures is None or self._clock() - failures.at >= failures.pause_seconds

    async def _models(self, node_id: str) -> tuple[Any, tuple[str, ...]]:
        """The host of the node's local models, which all its workers share, and the models it has."""
        if node_id not in self._hosts:
            host = self.fleet.model_host(node_id)
            if host is None:
                return None, ()
            self._hosts[node_id] = host
        return self._hosts[node_id], await answered(self._hosts[node_id].names.remote())

    async def _forget(self, alive: set[str]) -> None:
        """What is kept of nodes that have left, and of failures on nodes whose workers live again."""
        for node_id in [each for each in self._hosts if each not in alive]:
            self.fleet.end(self._hosts.pop(node_id))
        steady = {worker.node_id for worker in self._ready()}
        for node_id in list(self._failures):
            is_over = node_id in steady and self._clock() - self._failures[node_id].at >= STEADY_SECONDS
            if node_id not in alive or is_over:
                del self._failures[node_id]

    async def _publish(self) -> None:
        fresh = await self._publisher.look()
        if fresh:
            await asyncio.gather(*(self._quietly(worker.handle.receive.remote(fresh)) for worker in self._ready()))
        scorer = self.fleet.shared.scorer
        if scorer is not None:
            known = await answered(scorer.versions.remote())
            for version_id, reference in self._publisher.references.items():
                if version_id not in known:
                    await self._quietly(scorer.receive.remote(version_id, reference))

    async def _pass_on(self, name: str) -> None:
        """Rings the workers' bells when this process's bell rings; they look by themselves now and then, too."""
        while True:
            with self._bell.listening(name) as heard:
                await heard(LONGEST_PAUSE_SECONDS)
            await asyncio.gather(*(self._quietly(worker.handle.ring.remote(name)) for worker in self._ready()))
            await asyncio.sleep(GATHER_SECONDS)

    def _ready(self) -> list[Running]:
        return [worker for worker in self.workers if worker.facts is not None]

    async def _ask(self, worker: Running) -> None:
        worker.notices = await self._quietly(worker.handle.notices.remote()) or ()

    async def _close(self, worker: Running) -> None:
        if worker.facts is not None:
            seconds = self._settings.drain_seconds
            await self._quietly(worker.handle.close.remote(seconds), seconds=seconds + CALL_SECONDS)

    async def _quietly(self, reference: Any, *, seconds: float = CALL_SECONDS) -> Any:
        """The answer; None where there is none: whoever died is replaced, and its end is told there."""
        try:
            return await answered(reference, seconds=seconds)
        except (ServiceError, *TROUBLES) as error:
            log.info("A call to an actor was not answered: %s", type(error).__name__)
            return None
