"""Ray in the storm: a cluster whose nodes are processes of this machine; a worker, or a whole node, is killed."""

from __future__ import annotations

import os
import random
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}


@dataclass(kw_only=True)
class RayNode:
    """One of the nodes that take workers; another one joins in its place."""

    cluster: Any
    chance: random.Random
    name: str = "ray node"

    def kill(self) -> None:
        nodes = sorted(self.cluster.worker_nodes, key=lambda node: node.node_id)
        self.cluster.remove_node(self.chance.choice(nodes), allow_graceful=False)

    async def start(self) -> None:
        self.cluster.add_node(**NODE)  # Ray sets signal handlers, which is for the main thread alone


@dataclass(kw_only=True)
class RayWorker:
    """The process of one worker; its supervisor starts another."""

    chance: random.Random
    name: str = "ray worker"

    def kill(self) -> None:
        pids = sorted(pid for pid in below(os.getpid()) if is_worker(pid))
        if pids:  # none: they are just being started
            with suppress(ProcessLookupError):
                os.kill(self.chance.choice(pids), signal.SIGKILL)

    async def start(self) -> None:
        """Nothing to do: that is the supervisor's."""


@contextmanager
def ray_cluster() -> Iterator[Any]:
    """A head that takes no workers, and two nodes that do, behind a token that the services inherit."""
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={**NODE, "num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(2):
            made.add_node(**NODE)
        yield made
    finally:
        made.shutdown()


def below(pid: int) -> Iterator[int]:
    """All processes that came of this one."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                yield child
                yield from below(child)


def is_worker(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::WorkerActor")
    return False
