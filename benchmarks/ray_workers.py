"""Two job workers on Ray against one, on steps that cost CPU; how soon they are ready; when a shared actor pays.

    python -m benchmarks.ray_workers --out ray_workers.json [--jobs 300] [--rounds 3] [--seed 0]

A step encodes a text of its own with the sentence encoder inside the worker's process, decides, books money and
writes its records; its model answers at once. So the work is CPU and SQLite, and no network. Rounds of one and two
workers take turns, so that both meet the same neighbours on a machine that is not quiet; the load is in the results.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import machine_facts

WORDS = ("river", "empire", "quiet", "king", "year", "stone", "harvest", "winter", "letter", "bridge", "market", "song")
WORDS_A_TEXT = 110  # about what the encoder reads of a text
TARGET_SPEEDUP, TARGET_READY_SECONDS = 1.7, 20.0
BATCHES = (1, 4, 16, 32)
CALLS = 20  # of each batch size
LOOK_SECONDS = 0.02
LONGEST_SECONDS = 300.0  # that a round may take
MODELS = {"small": {"provider": "scripted", "price_input_usd_per_mtok": "1", "price_output_usd_per_mtok": "2"}}
CANDIDATES = [{"agent": "single_turn", "model": "small", "id": "small"}]


def texts(rng: random.Random, count: int) -> list[str]:
    """Each different from all others."""
    return [f"{rng.random()} {' '.join(rng.choices(WORDS, k=WORDS_A_TEXT))}" for _ in range(count)]


def settings_for(folder: Path, workers: int, **ray: Any) -> Any:
    from orchestrator.settings import Settings

    return Settings(
        store_url=f"sqlite:///{folder / f'store_{time.monotonic_ns()}.db'}",
        models=MODELS,
        candidates=CANDIDATES,
        policy="thompson",
        jobs={"slots": 8},
        ray={"workers": workers, "encoder": "local", "drain_seconds": 0, **ray},
        server={"secret": "s" * 40},
    )


def cpu_seconds(pid: int) -> float:
    """User and system, from Linux's /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """What the process alone holds, and its part of what it shares."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1000
    raise ValueError("no Pss")


async def round_of(folder: Path, workers: int, asked: list[str], **ray: Any) -> dict[str, Any]:
    """Jobs a second from the moment the jobs are queued until the last one has ended, workers ready before."""
    from orchestrator.bootstrap import bootstrap
    from orchestrator.cluster.carried import without_own_worker
    from orchestrator.cluster.serving import workers_for
    from orchestrator.jobs.request import JobRequest

    settings = settings_for(folder, workers, **ray)
    began = time.perf_counter()
    service = await bootstrap(without_own_worker(settings))
    try:
        async with workers_for(service, settings) as supervisor:
            await until(lambda: _value(sum(worker.facts is not None for worker in supervisor.workers) >= workers))
            ready_seconds = time.perf_counter() - began
            pids = [worker.facts.pid for worker in supervisor.workers if worker.facts is not None]
            cpu_before = sum(map(cpu_seconds, pids))
            started = time.perf_counter()
            requests = [JobRequest(input={"text": text}) for text in asked]
            for place in range(0, len(requests), 100):
                await service.jobs.submit_many(requests[place : place + 100])

            async def is_done() -> bool:
                return (await service.jobs.counts()).get("succeeded", 0) >= len(asked)

            await until(is_done)
            seconds = time.perf_counter() - started
            cpu = sum(map(cpu_seconds, pids)) - cpu_before
            return {
                "workers": workers,
                "jobs": len(asked),
                "seconds": round(seconds, 3),
                "jobs_per_second": round(len(asked) / seconds, 2),
                "worker_cpu_ms_per_job": round(1000 * cpu / len(asked), 2),
                "worker_cores_used": round(cpu / seconds, 2),
                "ready_seconds": round(ready_seconds, 2),
                "worker_memory_mb": round(statistics.mean(map(memory_mb, pids)), 1),
                "load": round(os.getloadavg()[0], 2),
            }
    finally:
        await service.close()


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    """Other processes do it, and give no sign."""
    for _ in range(int(LONGEST_SECONDS / LOOK_SECONDS)):
        if await look():
            return
        await asyncio.sleep(LOOK_SECONDS)
    raise SystemExit(f"Not done within {LONGEST_SECONDS} s.")


async def _value(value: bool) -> bool:
    return value


def milliseconds(work: Callable[[], object]) -> float:
    """Median of some calls."""
    spent = []
    for _ in range(CALLS):
        began = time.perf_counter()
        work()
        spent.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(spent), 3)


def encoder_calls(rng: random.Random, folder: Path) -> list[dict[str, Any]]:
    """Milliseconds a call to the encoder here and to the actor, by texts in the call; short texts, all different."""
    from orchestrator.cluster.encoders import DOES, remote_encoder
    from orchestrator.cluster.fleet import RayFleet
    from orchestrator.cluster.links import ActorLink
    from routing.registry import choose_encoder

    settings = settings_for(folder, 1, encoder="actor")
    fleet = RayFleet(settings=settings)
    fleet.open()
    here = choose_encoder(settings.encoder, cache_dir=settings.encoder_dir).encoder
    there = remote_encoder(ActorLink(DOES, fleet.shared.encoder), settings.encoder, settings.encoder_dir).encoder
    rows = []
    for size in BATCHES:
        asked = [" ".join(text.split()[:16]) for text in texts(rng, size)]
        row = {"texts": size}
        for name, encoder in (("here_ms", here), ("actor_ms", there)):
            row[name] = milliseconds(lambda encoder=encoder, asked=asked: encoder.encode(asked))
        rows.append(row)
    fleet.end(fleet.shared.encoder)
    return rows


def start_of_serve(folder: Path) -> dict[str, float]:
    """Seconds from `antroute serve --ray local` to its first answer, and to the end of its first job."""
    (folder / "antroute.yaml").write_text(
        json.dumps({"models": MODELS, "candidates": CANDIDATES, "policy": "thompson", "ray": {"workers": 1}})
    )
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        command = [sys.executable, "-m", "orchestrator.cli.main", "serve", "--ray", "local", "--port", "0"]
        process = subprocess.Popen(
            [*command, "--store", f"sqlite:///{folder / 'serve.db'}"],
            stderr=said,
            env={
                **os.environ,
                "ANTROUTE_SETTINGS": str(folder / "antroute.yaml"),
                "ANTROUTE_SERVER__SECRET": "s" * 40,
            },
        )
        try:
            url = _waited(lambda: _url_in(said), process)
            answers = time.perf_counter() - began
            body = json.dumps({"workflow": "ask", "input": {"text": "Good morning."}}).encode()
            job = _asked(f"{url}/v1/jobs", body)["id"]
            _waited(lambda: _asked(f"{url}/v1/jobs/{job}")["state"] == "succeeded", process)
            return {"answers_seconds": round(answers, 2), "first_job_seconds": round(time.perf_counter() - began, 2)}
        finally:
            process.terminate()
            process.wait(30)


def _url_in(said: Any) -> str | None:
    said.seek(0)
    _, found, rest = said.read().decode().partition("listens on ")
    return rest.split()[0] if found else None


def _asked(url: str, body: bytes | None = None) -> dict[str, Any]:
    request = urllib.request.Request(url, data=body, headers={"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        answered: dict[str, Any] = json.load(answer)
    return answered


def _waited(look: Callable[[], Any], process: subprocess.Popen[bytes]) -> Any:
    while not (found := look()):
        if process.poll() is not None:
            raise SystemExit(f"The service ended with status {process.returncode}.")
        time.sleep(LOOK_SECONDS)
    return found


def measured(jobs: int, rounds: int, seed: int) -> dict[str, Any]:
    from orchestrator.cluster.connection import LOCAL, joined
    from orchestrator.ray_settings import RaySettings

    rng, facts = random.Random(seed), machine_facts()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        starts = [start_of_serve(folder) for _ in range(rounds)]
        with joined(LOCAL, RaySettings()):
            rows = []
            for _ in range(rounds):
                for workers in (1, 2):
                    rows.append(asyncio.run(round_of(folder, workers, texts(rng, jobs))))
                    print(rows[-1], file=sys.stderr)
            shared = asyncio.run(round_of(folder, 2, texts(rng, jobs), encoder="actor"))
            calls = encoder_calls(rng, folder)
    rates = {count: [row["jobs_per_second"] for row in rows if row["workers"] == count] for count in (1, 2)}
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    speedup, ready = statistics.median(ratios), statistics.median(each["first_job_seconds"] for each in starts)
    return {
        "machine": facts,
        "seed": seed,
        "speedup": {
            "median": round(speedup, 3),
            "rounds": [round(each, 3) for each in ratios],
            "target": TARGET_SPEEDUP,
            "is_met": speedup >= TARGET_SPEEDUP,
        },
        "start": {
            "rounds": starts,
            "target_seconds": TARGET_READY_SECONDS,
            "is_met": ready <= TARGET_READY_SECONDS,
        },
        "rounds": rows,
        "two_workers_with_one_encoder_actor": shared,
        "encoder_calls": calls,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    results = measured(given.jobs, given.rounds, given.seed)
    given.out.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps({name: results[name] for name in ("speedup", "start", "encoder_calls")}, indent=1))


if __name__ == "__main__":
    main()
