"""Kills servers, workers and databases with SIGKILL under load, again and again, and looks whether anything was lost.

    python -m benchmarks.chaos --points 200 --database postgresql --json chaos.json

Two services share one store; each takes requests and works off jobs, with `--ray` one of them by workers on Ray.
Callers submit jobs of three steps (two side by side) and ask chat questions. At random moments a service, the
database, a worker or a node is killed and started again. When all acknowledged jobs have ended, everything is stopped
and the store is read: see `benchmarks/chaos_checks.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.chaos_checks import Acknowledged, checked
from benchmarks.chaos_servers import World, world

UNFINISHED = 24  # jobs that are submitted ahead
CHATTERS = 2  # callers who ask one question after the other
LULL_SECONDS = (0.2, 2.0)  # between the moment all is up again and the next kill
END_SECONDS = 180.0  # for the last jobs, after the last kill
WORKFLOW = {
    "name": "chaos",
    "inputs": ["text"],
    "steps": [
        {"name": "left", "prompt": "left of {text}"},
        {"name": "right", "prompt": "right of {text}"},
        {"name": "sum", "prompt": "sum of {left} and {right}"},
    ],
}


@dataclass(kw_only=True)
class Callers:
    """Send work until told to stop, and remember what they were told."""

    world: World
    random: random.Random
    seed: int
    key_to_job: dict[str, str] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    decisions: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    refused: int = 0  # requests that got no answer, or a 5xx
    is_over: bool = False

    async def submit(self, client: httpx.AsyncClient) -> None:
        number = 0
        while not self.is_over:
            if len(self.key_to_job) - len(self.ended) >= UNFINISHED:
                await asyncio.sleep(0.05)
                continue
            number += 1
            await self._submitted(client, f"chaos-{self.seed}-{number}")

    async def _submitted(self, client: httpx.AsyncClient, key: str) -> None:
        """Asks again with the same key until a server says that it has the job; once more after that, now and then."""
        body = {"workflow": WORKFLOW, "input": {"text": key}, "metadata": {"key": key}}
        while not self.is_over:
            answer = await self._post(client, "/v1/jobs", body, {"Idempotency-Key": key})
            if answer is not None and answer.status_code in (200, 201):
                job_id = answer.json()["id"]
                if self.key_to_job.setdefault(key, job_id) != job_id:
                    self.faults.append(f"key {key} gave {self.key_to_job[key]}, then {job_id}")
                if self.random.random() > 0.1:
                    return
            elif answer is not None and answer.status_code < 500 and answer.status_code != 429:
                self.faults.append(f"a job was refused: {answer.status_code} {answer.text[:300]}")
                return
            else:
                await asyncio.sleep(0.1)

    async def chat(self, client: httpx.AsyncClient, name: str) -> None:
        number = 0
        while not self.is_over:
            number += 1
            body = {"model": "auto", "messages": [{"role": "user", "content": f"{name} asks {number}"}]}
            answer = await self._post(client, "/v1/chat/completions", body, {})
            if answer is not None and answer.status_code == 200:
                self.decisions.append(answer.headers["x-antroute-decision-id"])
            await asyncio.sleep(0.05)

    async def all_ended(self, client: httpx.AsyncClient) -> None:
        """Returns when every job has ended, or its time is up."""
        deadline = time.monotonic() + END_SECONDS
        while set(self.key_to_job.values()) - self.ended and time.monotonic() < deadline:
            await self.look(client)
            await asyncio.sleep(0.2)

    async def watch(self, client: httpx.AsyncClient) -> None:
        while True:
            await self.look(client)
            await asyncio.sleep(0.3)

    async def look(self, client: httpx.AsyncClient) -> None:
        """Marks jobs that have ended."""
        for job_id in set(self.key_to_job.values()) - self.ended:
            with suppress(httpx.HTTPError):
                answer = await client.get(f"{self.world.any_url(self.random)}/v1/jobs/{job_id}")
                if answer.status_code == 200 and answer.json()["state"] in ("succeeded", "failed", "cancelled"):
                    self.ended.add(job_id)
                elif answer.status_code == 404:
                    self.faults.append(f"acknowledged job {job_id} is not there")
                    self.ended.add(job_id)

    async def _post(
        self, client: httpx.AsyncClient, path: str, body: dict[str, Any], headers: dict[str, str]
    ) -> httpx.Response | None:
        try:
            answer = await client.post(f"{self.world.any_url(self.random)}{path}", json=body, headers=headers)
        except httpx.HTTPError:
            self.refused += 1
            return None
        self.refused += answer.status_code >= 500
        return answer


async def stormed(callers: Callers, points: int) -> dict[str, int]:
    """Kills so many times; by what was killed."""
    kills: dict[str, int] = {}
    began = time.monotonic()
    for point in range(points):
        await callers.world.all_ready()
        await asyncio.sleep(callers.random.uniform(*LULL_SECONDS))
        victim = callers.world.victim(callers.random)
        victim.kill()
        kills[victim.name] = kills.get(victim.name, 0) + 1
        await asyncio.sleep(callers.random.uniform(0.0, 0.5))
        await victim.start()
        spent = time.monotonic() - began
        print(
            f"\r{point + 1}/{points} killed, {len(callers.ended)}/{len(callers.key_to_job)} jobs ended, "
            f"{spent:.0f} s, {spent / (point + 1) * (points - point - 1):.0f} s to go  ",
            end="", file=sys.stderr, flush=True,
        )  # fmt: skip
    print(file=sys.stderr)
    return kills


async def run(*, points: int, database: str, seed: int, folder: Path, has_ray: bool = False) -> dict[str, Any]:
    """The whole storm and what it left. `is_whole` says whether every promise was kept."""
    began = time.monotonic()
    chance = random.Random(seed)
    async with AsyncExitStack() as stack:
        around = await stack.enter_async_context(world(folder, database=database, has_ray=has_ray, chance=chance))
        callers = Callers(world=around, random=chance, seed=seed)
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=20))
        sending = [asyncio.create_task(callers.submit(client))]
        sending += [asyncio.create_task(callers.chat(client, f"caller {place}")) for place in range(CHATTERS)]
        watching = asyncio.create_task(callers.watch(client))
        kills = await stormed(callers, points)
        await around.all_ready()
        callers.is_over = True
        await asyncio.gather(*sending)
        watching.cancel()
        await callers.all_ended(client)
        await around.stop_servers()
        told = Acknowledged(key_to_job=callers.key_to_job, decisions=tuple(callers.decisions))
        faults, found = await checked(around.url, told)
    return {
        "benchmark": "chaos",
        "database": database,
        "ray": has_ray,
        "seed": seed,
        "points": points,
        "kills": kills,
        "is_whole": not (faults or callers.faults),
        "faults": [*callers.faults, *faults][:50],
        "fault_count": len(faults) + len(callers.faults),
        "requests_without_answer": callers.refused,
        **found,
        "seconds": round(time.monotonic() - began, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=200, help="How often something is killed.")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--ray", action="store_true", help="One service has its workers on a Ray cluster of two nodes.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--folder", type=Path, help="Where logs and the database are kept; default: a folder that goes."
    )
    parser.add_argument("--json", type=Path, help="Also write the result here.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos") as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        storm = run(points=given.points, database=given.database, seed=given.seed, folder=folder, has_ray=given.ray)
        result = asyncio.run(storm)
    text = json.dumps(result, indent=2)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")
    sys.exit(not result["is_whole"])


if __name__ == "__main__":
    main()
