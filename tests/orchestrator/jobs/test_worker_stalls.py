"""A worker that stood still for longer than its leases: what it claims again from itself, it really has."""

from __future__ import annotations

import asyncio
import gc
from datetime import timedelta

import pytest

from orchestrator.jobs.bell import WORK
from orchestrator.jobs.request import JobRequest
from storage.records import utc_now
from tests.conftest import MakeService
from tests.orchestrator.doubles import GatedLLM, until

ASK = JobRequest(input={"text": "The capital of France?", "options": {"candidate": "small"}})


async def test_job_claimed_again_by_the_worker_that_still_had_it_is_in_its_hands(
    make_service: MakeService, caplog: pytest.LogCaptureFixture
) -> None:
    model = GatedLLM(["a"])
    service = await make_service(small=model, jobs={"lease_seconds": 60})
    worker = service.worker
    worker.start()
    job = await service.jobs.submit(ASK)
    async with asyncio.timeout(10):
        await model.has_begun.wait()
    stale = worker.held[job.id]
    model.has_begun.clear()
    worker.now = lambda: utc_now() + timedelta(hours=1)  # as if nobody had beaten for so long
    service.jobs.bell.ring(WORK)
    async with asyncio.timeout(10):
        await model.has_begun.wait()

    async def has_gone() -> bool:
        return len(worker.tasks) == 1

    await until(has_gone)
    assert (stale.why, worker.held[job.id].fence.number) == ("lost", 2)  # so its lease is prolonged
    model.gate.set()
    done = await service.jobs.wait(job.id, timeout_seconds=10)
    assert (done.state, done.fence) == ("succeeded", 2)
    gc.collect()
    assert "never retrieved" not in caplog.text  # what the stale one could not record is told in words
    assert "left broke off: LeaseLost" in caplog.text
