"""What does the gateway cost? CPU, latency, memory and start of `antroute serve` before an upstream that costs nothing.

    OMP_NUM_THREADS=1 python -m benchmarks.gateway --out gateway.json

Upstream, gateway and load generator are processes of their own. Every request has a key, a budget account with a
limit, a decision by a trained router (its texts' vectors are remembered) that is stored before anything runs, and
its settlement, outcome and spans. CPU is user and system time of all the gateway's processes. `--litellm PATH`
measures LiteLLM's proxy beside it with the same requests.
"""

from __future__ import annotations

import argparse
import json
import socket
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import gateway_server as servers
from benchmarks.gateway_load import Load
from benchmarks.machine import machine_facts
from benchmarks.routing_latency import generated

PARTS = ("cpu", "rate", "writes", "memory", "away")
WARM_UP = 500  # requests before anything is counted; each text comes at least once
TEXTS = 64
SAMPLE_SECONDS = 2.0  # between looks at the memory

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all parts need."""

    folder: Path
    gateway: servers.Started
    upstream_port: int
    load: Load  # to the gateway, with no amount
    database: Path

    def cpu(self, requests: int, connections: int) -> Row:
        """Closed loop: CPU milliseconds of one request, and how many a second one core would do."""
        return measured(self.gateway, replace(self.load, requests=requests, connections=connections))

    def rate(self, rate: float, seconds: float) -> Row:
        """A fixed rate to the gateway and to the upstream itself, and the difference."""
        load = replace(self.load, rate=rate, seconds=seconds)
        through, straight = measured(self.gateway, load), servers.loaded(servers.direct(load, self.upstream_port))
        added = {name: through["ms"][name] - straight["ms"][name] for name in straight["ms"]}
        return {"gateway": through, "upstream": straight, "added_ms": added}

    def memory(self, requests: int) -> Row:
        """Resident megabytes over so many requests; the slope is of the second half, by least squares."""
        with sampled(lambda: self.gateway.usage().rss_mb) as samples:
            found = measured(self.gateway, replace(self.load, requests=requests))
        return {**found, "rss": rss_facts(samples, requests / found["seconds"])}

    def away(self, seconds: float) -> Row:
        """Another process holds the database's lock; requests are refused and memory stays."""
        with sampled(lambda: self.gateway.usage().rss_mb) as samples, closing(sqlite3.connect(self.database)) as other:
            other.execute("BEGIN IMMEDIATE")
            found = servers.loaded(replace(self.load, rate=50.0, seconds=seconds, connections=64))
            other.rollback()
        again = measured(self.gateway, replace(self.load, requests=WARM_UP))
        return {**found, "rss": rss_facts(samples, found["rps"]), "statuses_after": again["statuses"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["cpu", "rate", "writes"])
    parser.add_argument("--requests", type=int, default=4000, help="of the closed loop")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--rates", type=float, nargs="+", default=[50.0], help="requests a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a fixed rate")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="of the upstream")
    parser.add_argument("--memory-requests", type=int, default=100_000)
    parser.add_argument("--away-seconds", type=float, default=60.0)
    parser.add_argument("--candidates", type=int, default=3)
    parser.add_argument("--router", default="stack", help="kind of the trained router")
    parser.add_argument("--encoder", default="auto")
    parser.add_argument("--mode", choices=("sync", "grouped"), default="sync")
    parser.add_argument("--litellm", type=Path, help="the `litellm` command of an environment of its own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("gateway.json"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, servers.upstream(chosen.delay_ms) as upstream_port:
        results = gateway_results(chosen, Path(folder), upstream_port)
        if chosen.litellm is not None:
            results["litellm"] = litellm_results(chosen, Path(folder), upstream_port)
    facts = {"machine": machine_facts(), "settings": {name: str(value) for name, value in vars(chosen).items()}}
    chosen.out.write_text(json.dumps({**facts, "results": results}, indent=2) + "\n")
    for line in told(results):
        print(line)
    return 0


def gateway_results(chosen: argparse.Namespace, folder: Path, upstream_port: int) -> Row:
    settings = servers.settings_file(
        folder, upstream_port, encoder=chosen.encoder, mode=chosen.mode, candidates=chosen.candidates
    )
    database = folder / "gateway.db"
    servers.with_router(
        folder, f"sqlite:///{database}", kind=chosen.router, encoder_name=chosen.encoder,
        candidates=chosen.candidates, seed=chosen.seed,
    )  # fmt: skip
    with servers.gateway(settings, free_port(), folder / "gateway.log") as gateway:
        load = Load(port=gateway.port, bodies=bodies(chosen.seed), headers={"authorization": f"Bearer {servers.KEY}"})
        measured(gateway, replace(load, requests=WARM_UP))
        bench = Bench(folder=folder, gateway=gateway, upstream_port=upstream_port, load=load, database=database)
        work: dict[str, Callable[[], Any]] = {
            "cpu": lambda: {str(n): bench.cpu(chosen.requests, n) for n in chosen.connections},
            "rate": lambda: {f"{rate:g}": bench.rate(rate, chosen.seconds) for rate in chosen.rates},
            "memory": lambda: bench.memory(chosen.memory_requests),
            "away": lambda: bench.away(chosen.away_seconds),
        }
        results: Row = {"ready_seconds": gateway.ready_seconds, "rss_mb": gateway.usage().rss_mb}
        results |= {part: work[part]() for part in PARTS if part in work and part in chosen.parts}
        results["policies"] = policies(database)
    results["database_bytes_each"] = database.stat().st_size / max(sum(results["policies"].values()), 1)
    if "writes" in chosen.parts:
        results["writes"] = writes()
    return results


def litellm_results(chosen: argparse.Namespace, folder: Path, upstream_port: int) -> Row:
    """The same closed loop and rates through the peer."""
    with servers.litellm(chosen.litellm, folder, upstream_port, free_port()) as peer:
        load = Load(
            port=peer.port, bodies=bodies(chosen.seed, model="fixed"),
            headers={"authorization": f"Bearer {servers.KEY}"},
        )  # fmt: skip
        measured(peer, replace(load, requests=WARM_UP))
        cpu = {
            str(n): measured(peer, replace(load, requests=chosen.requests // 4, connections=n))
            for n in chosen.connections
        }
        rates = {}
        for rate in (10.0,):
            timed = replace(load, rate=rate, seconds=chosen.seconds)
            through, straight = measured(peer, timed), servers.loaded(servers.direct(timed, upstream_port))
            added = {name: through["ms"][name] - straight["ms"][name] for name in straight["ms"]}
            rates[f"{rate:g}"] = {"gateway": through, "upstream": straight, "added_ms": added}
        return {"ready_seconds": peer.ready_seconds, "rss_mb": peer.usage().rss_mb, "cpu": cpu, "rate": rates}


def measured(server: servers.Started, load: Load) -> Row:
    """The load, with the server's CPU and memory before and after. Every answer but 200 is counted by its status."""
    before = server.usage()
    found = servers.loaded(load)
    after = server.usage()
    each_ms = 1000 * (after.cpu_seconds - before.cpu_seconds) / max(found["answers"], 1)
    figures = {"cpu_ms_each": each_ms, "rps_a_core": 1000 / each_ms if each_ms else None}
    return {**found, **figures, "rss_mb": [before.rss_mb, after.rss_mb]}


def bodies(seed: int, *, model: str = "auto") -> list[str]:
    """Requests of some hundred characters, no two alike."""
    texts = generated(TEXTS, 2, seed=seed + 1).texts
    return [
        json.dumps({"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 64})
        for text in texts
    ]


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def sampled(value: Callable[[], float]) -> Iterator[list[tuple[float, float]]]:
    """Seconds and value, every now and then while the block runs."""
    samples: list[tuple[float, float]] = []
    is_over, began = threading.Event(), time.monotonic()

    def look() -> None:
        while not is_over.wait(SAMPLE_SECONDS):
            samples.append((time.monotonic() - began, value()))

    looker = threading.Thread(target=look)
    looker.start()
    try:
        yield samples
    finally:
        is_over.set()
        looker.join()


def rss_facts(samples: list[tuple[float, float]], requests_a_second: float) -> Row:
    """Slope in megabytes for 100,000 requests, over the second half of the samples."""
    if len(samples) < 4:
        return {}
    half = samples[len(samples) // 2 :]
    mean_at, mean_mb = sum(at for at, _ in half) / len(half), sum(mb for _, mb in half) / len(half)
    spread = sum((at - mean_at) ** 2 for at, _ in half)
    slope = sum((at - mean_at) * (mb - mean_mb) for at, mb in half) / spread
    return {
        "first_mb": samples[0][1],
        "last_mb": samples[-1][1],
        "most_mb": max(mb for _, mb in samples),
        "slope_mb_per_100k": slope / requests_a_second * 100_000,
        "slope_mb_per_minute": slope * 60,
    }


def policies(database: Path) -> dict[str, int]:
    """Who chose, as the stored decisions say."""
    with closing(sqlite3.connect(database)) as connection:
        return dict(
            connection.execute("SELECT policy, count(*) FROM audit_events WHERE kind = 'decision' GROUP BY policy")
        )


def writes() -> Row:
    """Decisions a second in both modes; see storage_writes.py."""
    import asyncio

    from benchmarks.storage_writes import written

    with tempfile.TemporaryDirectory() as folder:
        return {
            mode: asyncio.run(written(f"sqlite:///{folder}/{mode}.db", mode, 64, 10_000))
            for mode in ("sync", "grouped")
        }


def told(results: Row, name: str = "gateway") -> Iterator[str]:
    """The figures, a line each."""
    yield f"{name}: ready after {results['ready_seconds']:.1f} s, {results['rss_mb']:.0f} MB"
    for connections, row in results.get("cpu", {}).items():
        yield (
            f"{name}: {connections:>3} at once   {row['cpu_ms_each']:6.2f} ms CPU   {row['rps']:7.1f} rps"
            f"   p50 {row['ms']['p50']:6.1f}   p99 {row['ms']['p99']:6.1f} ms   {row['statuses']}"
        )
    for rate, row in results.get("rate", {}).items():
        added, header = row["added_ms"], row["gateway"]["overhead_header_ms"]
        yield (
            f"{name}: {rate:>3} a second  added p50 {added['p50']:6.2f}   p99 {added['p99']:6.2f} ms"
            f"   (header says {header.get('p50', 0):.2f} and {header.get('p99', 0):.2f}) {row['gateway']['statuses']}"
        )
    for part in ("memory", "away"):
        if part in results:
            yield f"{name}: {part}: {results[part]['rss']} {results[part]['statuses']}"
    for mode, row in results.get("writes", {}).items():
        yield f"{name}: decisions written, {mode}: {row['per_second']:,.0f} /s, {row['cpu_ms_each']:.3f} ms CPU each"
    if "litellm" in results:
        yield from told(results["litellm"], "litellm")


if __name__ == "__main__":
    sys.exit(main())
