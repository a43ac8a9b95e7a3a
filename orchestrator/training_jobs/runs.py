"""Runs claimed jobs: workflows as always, training in a child process whose progress becomes the job's events."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from orchestrator.errors import error_of
from orchestrator.jobs.runs import JobRuns, text_of
from orchestrator.training_jobs.orders import TRAIN, TrainingOrder, folder_of, order_in
from orchestrator.training_settings import TrainingSettings
from storage.errors import ServiceError
from storage.job_records import Fence, Job, JobEvent
from storage.records import Payload

LONGEST_LINE = 1_048_576  # bytes of what a child says at once


@dataclass(kw_only=True)
class TrainingRuns(JobRuns):
    """A training begins anew under a later claim; it writes the same folder, whole or not at all."""

    training: TrainingSettings
    encoder: str
    encoder_dir: Path
    cache_dir: Path
    room: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.room = asyncio.Semaphore(self.training.parallel)

    async def run(self, job: Job) -> Payload:
        order = None
        if job.workflow == TRAIN:
            order = order_in(await text_of(self.host.stores, job.payload_id))
        if order is None:
            return await super().run(job)
        async with self.room:
            return await self._trained(job, order)

    async def _trained(self, job: Job, order: TrainingOrder) -> Payload:
        """Raises what the training was refused for, and ServiceError where the child broke off."""
        await self._note(job, "step_started", {"step": TRAIN})
        async with aclosing(told_by_child(self._sent(job, order))) as lines:
            async for line in lines:
                if "progress" in line:
                    await self._note(job, "progress", {name: str(value) for name, value in line["progress"].items()})
                elif "error" in line:
                    raise error_of(line["error"]["code"], line["error"]["message"])
                else:
                    return await self._ended(job, line["end"])
        raise ServiceError("The training's process ended before its work did.")

    def _sent(self, job: Job, order: TrainingOrder) -> dict[str, Any]:
        return {
            **order.body(),
            "data": str(folder_of(order.data, self.training)),
            "out": str(self.training.target_dir / job.id),
            "encoder": self.encoder,
            "encoder_dir": str(self.encoder_dir),
            "cache_dir": str(self.cache_dir),
        }

    async def _ended(self, job: Job, end: Mapping[str, Any]) -> Payload:
        await self._note(job, "step_finished", {"step": TRAIN, "router": end["router"], "sha256": end["sha256"]})
        answer = orjson.dumps(end, option=orjson.OPT_SORT_KEYS).decode()
        result = {"run_id": job.run_id, "answers": {TRAIN: answer}, "answer": answer, "cost_usd": "0"}
        return Payload.of(orjson.dumps(result).decode())

    async def _note(self, job: Job, kind: Any, data: Mapping[str, str]) -> None:
        fence = Fence(job_id=job.id, number=job.fence)
        await self.host.stores.jobs.note(fence, JobEvent(job_id=job.id, kind=kind, data=data))
        self.bell.ring(job.id)


async def told_by_child(order: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
    """What it says, line by line; closing this, or being cancelled, kills it."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "orchestrator.training_jobs.child",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=LONGEST_LINE,
    )
    try:
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("A child that was started with pipes has none.")
        child.stdin.write(json.dumps(order).encode() + b"\n")
        await child.stdin.drain()
        async for line in child.stdout:
            yield json.loads(line)
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
