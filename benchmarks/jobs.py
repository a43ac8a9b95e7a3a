"""What a durable job of one step costs, from submission to its end, with every change committed.

    python -m benchmarks.jobs --jobs 600 --rounds 3 --database postgresql --json jobs.json

One process: service and worker, `sync` writes; the model is a function, so that all time is ours. CPU is this process's
(PostgreSQL's own is told apart). The best round and the median are given: other work on the machine only adds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.chaos_ray import below
from benchmarks.gateway_server import cpu_seconds
from benchmarks.machine import machine_facts
from orchestrator.jobs.request import JobRequest
from orchestrator.sdk import Orchestrator
from orchestrator.settings import Settings
from storage.audit import verify
from tests.postgres_server import running_postgres

SUBMITTED_TOGETHER = 50
TARGET_CPU_MS = 10.0
TARGET_RATE = {"sqlite": 100.0, "postgresql": 150.0}
MODELS = {"small": {"provider": "scripted", "price_input_usd_per_mtok": "1", "price_output_usd_per_mtok": "2"}}


async def one_round(url: str, folder: Path, *, jobs: int, slots: int) -> dict[str, float]:
    """Submits and works off so many jobs. Raises AssertionError when one did not succeed."""
    settings = Settings(
        store_url=url,
        models=MODELS,
        candidates=[{"id": "small", "agent": "single_turn", "model": "small"}],
        encoder="hashing",
        jobs={"slots": slots},
        skills={"index": folder / "skills"},
        server={"secret": "s" * 40},
    )
    async with Orchestrator(settings) as antroute:
        await antroute.wait(
            (await antroute.service.jobs.submit(JobRequest(input={"text": "first"}))).id
        )  # all is loaded now
        servers = list(below(os.getpid()))
        began, cpu, theirs = time.perf_counter(), time.process_time(), sum(map(cpu_seconds, servers))
        ids: list[str] = []
        for start in range(0, jobs, SUBMITTED_TOGETHER):
            count = min(SUBMITTED_TOGETHER, jobs - start)
            requests = [JobRequest(input={"text": f"question {start + place}"}) for place in range(count)]
            ids += [job.id for job in await antroute.service.jobs.submit_many(requests)]
        ended = await asyncio.gather(*(antroute.wait(job_id) for job_id in ids))
        seconds, used = time.perf_counter() - began, time.process_time() - cpu
        servers_used = sum(map(cpu_seconds, servers)) - theirs
        states = {job.state for job in ended}
        if states != {"succeeded"}:
            raise SystemExit(f"Not every job succeeded: {states}")
        if not (await verify(antroute.service.stores)).is_whole:
            raise SystemExit("The log is not whole.")
    return {
        "jobs_per_second": jobs / seconds,
        "cpu_ms": 1000 * used / jobs,
        "database_cpu_ms": 1000 * servers_used / jobs,
    }


def measured(*, database: str, jobs: int, rounds: int, slots: int) -> dict[str, Any]:
    found = []
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres()) if database == "postgresql" else None
        for _ in range(rounds):
            with ExitStack() as fresh:
                folder = Path(fresh.enter_context(tempfile.TemporaryDirectory(prefix="jobs")))
                url = fresh.enter_context(postgres.database()) if postgres else f"sqlite:///{folder / 'jobs.db'}"
                found.append(asyncio.run(one_round(url, folder, jobs=jobs, slots=slots)))
    rates, cpu = [each["jobs_per_second"] for each in found], [each["cpu_ms"] for each in found]
    return {
        "benchmark": "jobs",
        "database": database,
        "jobs": jobs,
        "slots": slots,
        "jobs_per_second": {"best": round(max(rates), 1), "median": round(statistics.median(rates), 1)},
        "cpu_ms_a_job": {"best": round(min(cpu), 2), "median": round(statistics.median(cpu), 2)},
        "database_cpu_ms_a_job": round(statistics.median(each["database_cpu_ms"] for each in found), 2),
        "targets": {"cpu_ms_a_job": TARGET_CPU_MS, "jobs_per_second": TARGET_RATE[database]},
        "machine": machine_facts(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--database", choices=tuple(TARGET_RATE), default="sqlite")
    parser.add_argument("--json", type=Path, help="Also write the result here.")
    given = parser.parse_args()
    result = measured(database=given.database, jobs=given.jobs, rounds=given.rounds, slots=given.slots)
    text = json.dumps(result, indent=2)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
