"""The world that is stormed: two services, a model, and a database, each a process that can be killed and started."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx

from benchmarks.chaos_ray import RayNode, RayWorker, ray_cluster
from benchmarks.ports import free_port
from tests.postgres_server import PostgresServer, restarted, running_postgres

START_SECONDS = 60.0
LEASE_SECONDS = 3
ROOT = Path(__file__).resolve().parents[1]


class Victim(Protocol):
    """What can be killed, and started again."""

    @property
    def name(self) -> str: ...

    def kill(self) -> None: ...

    async def start(self) -> None: ...


@dataclass(kw_only=True)
class Server:
    """`antroute serve` on a port of its own, over the store that all share."""

    name: str
    port: int
    settings: Path
    log: Path
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Begins it; see `ready`."""
        self.begin()

    def begin(self) -> None:
        environment = {
            **os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "ANTROUTE_SETTINGS": str(self.settings),
        }  # fmt: skip
        command = [sys.executable, "-m", "orchestrator.cli.main", "serve", "--port", str(self.port), *self.options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=self.log.parent)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    async def ready(self, client: httpx.AsyncClient) -> None:
        """Returns once it takes work; starts it again when it gave up because the database was away."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(httpx.HTTPError):
                if (await client.get(f"{self.url}/readyz")).status_code == 200:
                    return
            if self.process is None or self.process.poll() is not None:
                await self.start()
            await asyncio.sleep(0.1)
        raise SystemExit(f"{self.name} does not come up; the end of its log:\n{self.log.read_text()[-3000:]}")

    async def stop(self) -> None:
        """Politely, as an operator would."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.to_thread(self.process.wait, 40)
            except subprocess.TimeoutExpired:
                self.kill()


@dataclass(kw_only=True)
class Database:
    """A PostgreSQL server, whose first process is killed with all that hangs on it."""

    server: PostgresServer
    name: str = "postgresql"

    def kill(self) -> None:
        self.server.kill()

    async def start(self) -> None:
        await asyncio.to_thread(restarted, self.server)


@dataclass(kw_only=True)
class World:
    """All that runs. `url` is the store's."""

    url: str
    servers: list[Server]
    others: list[Victim] = field(default_factory=list)  # that can be killed, beside the services
    bag: list[Victim] = field(default_factory=list)
    client: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=5))

    def any_url(self, chance: random.Random) -> str:
        return chance.choice(self.servers).url

    def victim(self, chance: random.Random) -> Victim:
        """One after the other in random order, then all anew in another order: in few rounds none is left out."""
        if not self.bag:
            self.bag = [*self.servers, *self.others]
            chance.shuffle(self.bag)
        return self.bag.pop()

    async def all_ready(self) -> None:
        await asyncio.gather(*(server.ready(self.client) for server in self.servers))

    async def stop_servers(self) -> None:
        await asyncio.gather(*(server.stop() for server in self.servers))


@asynccontextmanager
async def world(folder: Path, *, database: str, has_ray: bool, chance: random.Random) -> AsyncIterator[World]:
    """Two services over a fresh store, once both are ready; all is ended with the block.

    With Ray, the first one's jobs are worked off by workers on a cluster.
    """
    async with AsyncExitStack() as stack:
        postgres = None
        if database == "postgresql":
            postgres = Database(server=stack.enter_context(running_postgres()))
        url = postgres.server.url("postgres") if postgres else f"sqlite:///{folder / 'chaos.db'}"
        settings = settings_file(folder, url, port=stack.enter_context(model()))
        servers = [
            Server(name=f"service {place}", port=free_port(), settings=settings, log=folder / f"service{place}.log")
            for place in (1, 2)
        ]
        around = World(url=url, servers=servers, others=[postgres] if postgres else [])
        if has_ray:
            cluster = stack.enter_context(ray_cluster())
            servers[0].options = ("--ray", cluster.address)
            around.others += [RayNode(cluster=cluster, chance=chance), RayWorker(chance=chance)]
        stack.push_async_callback(around.client.aclose)
        for server in servers:
            stack.callback(server.kill)
            await server.start()
        await around.all_ready()
        yield around


@contextmanager
def model() -> Iterator[int]:
    """The model's port."""
    command = [sys.executable, "-m", "benchmarks.chaos_upstream"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            if process.stdout is None:
                raise SystemExit("The model has no output.")
            yield int(process.stdout.readline())
        finally:
            process.kill()


def settings_file(folder: Path, url: str, *, port: int) -> Path:
    models = {
        f"model-{place}": {
            "provider": "openai",
            "base_url": f"http://127.0.0.1:{port}/v1",
            "upstream_model": "chaos",
            "price_input_usd_per_mtok": str(place),
            "price_output_usd_per_mtok": str(3 * place),
        }
        for place in (1, 2)
    }
    settings = {
        "store_url": url,
        "encoder": "hashing",
        "models": models,
        "candidates": [{"id": name, "agent": "single_turn", "model": name} for name in models],
        "skills": {"index": str(folder / "skills")},
        "budget": {"account_limit_usd": "100000", "run_limit_usd": "0.10"},
        "jobs": {"lease_seconds": LEASE_SECONDS, "slots": 8, "poll_seconds": 0.5},
        "server": {"secret_file": str(folder / "secret")},
    }
    path = folder / "antroute.yaml"
    path.write_text(json.dumps(settings))
    return path
