"""Workers are started where they are missing, replaced when they end, and told what happens: without a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from orchestrator.cluster.placement import Node
from orchestrator.cluster.supervisor import Running, Supervisor
from orchestrator.cluster.worker_actor import SharedActors, WorkerFacts
from orchestrator.jobs.bell import WORK, Bell
from orchestrator.ray_settings import RaySettings
from storage.errors import StorageUnavailable
from tests.orchestrator.cluster.actor_doubles import Handle
from tests.orchestrator.doubles import until


class WorkerDouble:
    """As a worker's actor answers. `error`: what opening it raises."""

    def __init__(self, number: int, routers: Mapping[str, Any], error: Exception | None) -> None:
        self.name = f"worker_{number}"
        self.routers = dict(routers)
        self.rings: list[str] = []
        self.drained: list[float] = []
        self._error = error

    async def open(self) -> WorkerFacts:
        if self._error is not None:
            raise self._error
        return WorkerFacts(worker=self.name, pid=0, slots=4, notices=())

    async def live(self) -> None:
        await asyncio.Event().wait()

    async def notices(self) -> tuple[str, ...]:
        return ("it is warm",)

    async def ring(self, name: str) -> None:
        self.rings.append(name)

    async def receive(self, routers: Mapping[str, Any]) -> None:
        self.routers.update(routers)

    async def close(self, seconds: float) -> None:
        self.drained.append(seconds)


class FleetDouble:
    def __init__(self) -> None:
        self.shared = SharedActors()
        self.alive = [node("a")]
        self.error: Exception | None = None
        self.started: list[tuple[str, Handle]] = []
        self.is_away = False

    def open(self) -> None:
        """Nothing is shared."""

    async def nodes(self) -> list[Node]:
        if self.is_away:
            raise OSError("the cluster is away")
        return self.alive

    def worker(self, node_id: str, host: Any, model_names: tuple[str, ...], routers: Mapping[str, Any]) -> Handle:
        handle = Handle(WorkerDouble(len(self.started), routers, self.error))
        self.started.append((node_id, handle))
        return handle

    def model_host(self, node_id: str) -> None:
        return None

    def end(self, handle: Handle) -> None:
        handle.kill()


class PublisherDouble:
    def __init__(self) -> None:
        self.references: dict[str, Any] = {}
        self.fresh: dict[str, Any] = {}
        self.error: Exception | None = None

    async def look(self) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        fresh, self.fresh = self.fresh, {}
        self.references |= fresh
        return fresh


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class World:
    """A supervisor over doubles; `look` in place of waiting for its next one."""

    def __init__(self) -> None:
        self.fleet, self.publisher, self.bell, self.clock = FleetDouble(), PublisherDouble(), Bell(), Clock()
        settings = RaySettings(cpus_per_worker=1, drain_seconds=3)
        self.supervisor = Supervisor(self.fleet, self.publisher, settings, self.bell, clock=self.clock)

    async def ready(self, count: int) -> list[Running]:
        """That many workers, looking until they are there."""

        async def are_there() -> bool:
            await self.supervisor.look()
            return len(self._ready) == count == len(self.supervisor.workers)

        await until(are_there)
        return self._ready

    @property
    def _ready(self) -> list[Running]:
        return [worker for worker in self.supervisor.workers if worker.facts is not None]

    def starts(self) -> list[str]:
        return [node_id for node_id, _ in self.fleet.started]


def node(name: str) -> Node:
    return Node(id=name, address="127.0.0.1", cpus=1)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.supervisor.stop()
    for _, handle in made.fleet.started:
        handle.kill()


async def test_a_node_has_its_worker_and_one_that_joins_gets_one(world: World) -> None:
    assert world.supervisor.notices() == ("no job worker is ready",)
    await world.ready(1)
    world.fleet.alive = [node("a"), node("b")]
    await world.ready(2)
    assert world.starts() == ["a", "b"]
    assert world.supervisor.notices() == ()


async def test_a_worker_that_died_is_replaced_at_once_and_told(world: World) -> None:
    [first] = await world.ready(1)
    first.handle.kill()
    await until(_has_none(world))
    [second] = await world.ready(1)
    assert second is not first
    assert world.starts() == ["a", "a"]
    told = world.supervisor.notices()  # on a busy machine the new one's start is told of, too
    assert any(each.startswith("workers on node a do not live: ActorDiedError") for each in told)


async def test_a_worker_on_a_node_that_left_is_not_replaced_there(world: World) -> None:
    world.fleet.alive = [node("a"), node("b")]
    await world.ready(2)
    world.fleet.alive = [node("b")]
    for place, handle in world.fleet.started:
        if place == "a":
            handle.kill()
    [left] = await world.ready(1)
    assert left.node_id == "b"
    assert sorted(world.starts()) == ["a", "b"]


async def test_where_workers_do_not_start_it_is_tried_ever_more_seldom(world: World) -> None:
    world.fleet.error = OSError("no such module")
    moments: list[float] = []
    for _ in range(80):
        before = len(world.fleet.started)
        await world.supervisor.look()
        await until(_has_none(world))
        if len(world.fleet.started) > before:
            moments.append(world.clock.now - 1000)
        world.clock.now += 1
    assert moments == [0, 1, 3, 7, 15, 31, 63]
    assert world.supervisor.notices() == (
        "no job worker is ready",
        "workers on node a do not live: OSError: no such module",
    )


async def test_a_ring_here_is_heard_by_all_workers(world: World) -> None:
    world.supervisor.start()
    await world.supervisor.ready.wait()
    [(_, handle)] = world.fleet.started

    async def is_heard() -> bool:
        world.bell.ring(WORK)
        return WORK in handle.actor.rings

    await until(is_heard)


async def test_routers_reach_the_workers_there_are_and_those_to_come(world: World) -> None:
    [first] = await world.ready(1)
    world.publisher.fresh = {"v1": "files"}
    await world.supervisor.look()
    world.fleet.alive.append(node("b"))
    await world.ready(2)
    assert [handle.actor.routers for _, handle in world.fleet.started] == [{"v1": "files"}] * 2
    assert first.handle.calls.count("receive") == 1


async def test_a_store_or_cluster_that_is_away_ends_no_worker(world: World) -> None:
    world.supervisor.start()
    await world.supervisor.ready.wait()
    world.publisher.error = StorageUnavailable("The store is away.")
    world.fleet.is_away = True
    with pytest.raises(OSError, match="away"):
        await world.supervisor.look()
    world.fleet.is_away, world.publisher.error = False, None
    assert len(await world.ready(1)) == 1
    assert world.starts() == ["a"]


async def test_at_the_end_workers_get_their_time_and_are_ended(world: World) -> None:
    await world.ready(1)
    [(_, handle)] = world.fleet.started
    await world.supervisor.stop()
    assert handle.actor.drained == [3]
    assert handle.is_dead
    assert world.supervisor.workers == []


async def test_workers_notices_are_told_with_their_node(world: World) -> None:
    await world.ready(1)
    for _ in range(6):
        await world.supervisor.look()
    assert world.supervisor.notices() == ("worker on node a: it is warm",)


def _has_none(world: World) -> Any:
    async def has_none() -> bool:
        return not world.supervisor.workers

    return has_none
