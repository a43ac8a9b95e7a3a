"""The three promises, with real processes on SQLite: a worker is killed or frozen, and another one goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agents.llm import Completion, CompletionRequest, ScriptedLLM
from orchestrator.jobs.request import JobRequest
from orchestrator.service import Service
from orchestrator.workflow import Workflow
from storage.audit import verify
from storage.job_records import Job
from storage.records import utc_now
from tests.conftest import MakeService
from tests.orchestrator.doubles import until
from tests.storage.processes import started

LEASE = 1.0
WORKER = """
import asyncio, sys
from pathlib import Path
from orchestrator.bootstrap import bootstrap
from tests.conftest import scripted_settings
from tests.orchestrator.jobs.test_jobs_killed import LEASE, Listed
async def work():
    url, folder, dies_at = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    model = Listed(folder, "first")
    settings = scripted_settings(store_url=url, jobs={"lease_seconds": LEASE})
    service = await bootstrap(settings, llms={"small": model, "large": model})
    jobs = service.stores.jobs
    note, finish = jobs.note, jobs.finish
    async def hanging_note(fence, *events):
        if events[0].kind == dies_at:
            print("here", flush=True)
            await asyncio.Event().wait()
        return await note(fence, *events)
    async def hanging_finish(fence, end, **more):
        if dies_at == "finish":
            print("here", flush=True)
            await asyncio.Event().wait()
        return await finish(fence, end, **more)
    jobs.note, jobs.finish = hanging_note, hanging_finish
    service.worker.start()
    while not service.worker.held:
        await asyncio.sleep(0.01)
    while service.worker.held:
        await asyncio.sleep(0.01)
    print("free", flush=True)
    await asyncio.Event().wait()
asyncio.run(work())
"""


class Listed(ScriptedLLM):
    """Writes down who was asked what; an answer to `wait …` comes once the file `go` is there."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        super().__init__(reply=lambda request: f"{name}:{request.messages[-1].content}")

    async def may_go(self) -> bool:
        return (self.folder / f"go-{self.name}").exists()

    async def complete(self, request: CompletionRequest) -> Completion:
        text = request.messages[-1].content
        with (self.folder / "asked").open("a") as file:
            file.write(f"{self.name} {text}\n")
        if text.startswith("wait"):
            await until(self.may_go, seconds=60)
        return await super().complete(request)


@contextmanager
def worker(url: str, folder: Path, *, dies_at: str = "never") -> Iterator[subprocess.Popen[str]]:
    process = started(WORKER, url, str(folder), dies_at)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def killed(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


async def told(process: subprocess.Popen[str], word: str) -> None:
    """Returns when the process has said so."""
    assert process.stdout is not None
    async with asyncio.timeout(30):
        said = await asyncio.to_thread(process.stdout.readline)
    if said.strip() != word:
        process.kill()
        raise AssertionError(f"It said {said!r}: {process.communicate()[1]}")


def asked(folder: Path) -> list[str]:
    return (folder / "asked").read_text().splitlines() if (folder / "asked").exists() else []


async def was_asked(folder: Path, line: str) -> None:
    async def condition() -> bool:
        return line in asked(folder)

    await until(condition, seconds=30)


Here = Callable[..., Awaitable[Service]]


@pytest.fixture
async def here(make_service: MakeService, tmp_path: Path) -> AsyncIterator[Here]:
    """Opens the service of this process over the same file; its model answers at once."""

    async def open_service() -> Service:
        (tmp_path / "go-second").touch()
        model = Listed(tmp_path, "second")
        return await make_service(store_url=url_of(tmp_path), small=model, large=model, jobs={"lease_seconds": LEASE})

    yield open_service


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder}/antroute.db"


def review() -> Workflow:
    workflow = Workflow("review", inputs=["text"])
    return workflow.step("one", "one {text}").step("last", "wait {one}")


async def submitted(service: Service, **request: Any) -> Job:
    return await service.jobs.submit(JobRequest(**{"workflow": review(), "input": {"text": "x"}, **request}))


async def ended(service: Service, job: Job) -> Job:
    done = await service.jobs.wait(job.id, timeout_seconds=30)
    assert done.has_ended, done
    return done


async def adds_up(service: Service, job: Job, *, forfeited: int) -> None:
    """Nothing is held once lost holds have run out; what was spent is what outcomes and lost holds say."""
    stores = service.stores
    reaped = await stores.budgets.reap(utc_now() + timedelta(hours=1))
    assert len(reaped) == forfeited
    cost = (await service.trace(job.run_id)).cost_usd + sum((hold.amount.usd for hold in reaped), Decimal(0))
    for account_id in (job.run_id, "default"):
        account = await stores.budgets.get(account_id)
        assert (account.spent_usd, account.held_usd) == (cost, 0)
    assert (await verify(stores)).is_whole


async def test_job_of_a_worker_that_died_between_two_steps_goes_on_with_the_second(here: Here, tmp_path: Path) -> None:
    service = await here()
    job = await submitted(service)
    with worker(url_of(tmp_path), tmp_path) as first:
        await was_asked(tmp_path, "first wait first:one x")
        killed(first)
    service.worker.start()
    done = await ended(service, job)
    assert (done.state, done.fence) == ("succeeded", 2)
    assert asked(tmp_path) == ["first one x", "first wait first:one x", "second wait first:one x"]
    assert (await service.jobs.result(job.id)).answers == {"one": "first:one x", "last": "second:wait first:one x"}
    await adds_up(service, job, forfeited=1)


@pytest.mark.parametrize("dies_at", ["step_finished", "finish"])
async def test_answer_that_was_committed_before_the_worker_died_is_the_job_s(
    dies_at: str, here: Here, tmp_path: Path
) -> None:
    service = await here()
    job = await submitted(service, workflow="ask")
    with worker(url_of(tmp_path), tmp_path, dies_at=dies_at) as first:
        await told(first, "here")
        killed(first)
    service.worker.start()
    assert (await ended(service, job)).state == "succeeded"
    assert asked(tmp_path) == ["first x"]
    assert (await service.jobs.result(job.id)).answer == "first:x"
    await adds_up(service, job, forfeited=0)


async def test_worker_that_was_frozen_beyond_its_lease_writes_nothing_when_it_wakes(here: Here, tmp_path: Path) -> None:
    service = await here()
    (tmp_path / "go-second").unlink()
    job = await submitted(service)
    with worker(url_of(tmp_path), tmp_path) as first:
        await was_asked(tmp_path, "first wait first:one x")
        os.kill(first.pid, signal.SIGSTOP)
        (tmp_path / "go-first").touch()
        service.worker.start()
        await was_asked(tmp_path, "second wait first:one x")
        before = await service.stores.audit.last_position(), await service.stores.budgets.get(job.run_id)
        os.kill(first.pid, signal.SIGCONT)
        await told(first, "free")
        assert (await service.stores.audit.last_position(), await service.stores.budgets.get(job.run_id)) == before
        assert (await service.jobs.get(job.id)).fence == 2
        (tmp_path / "go-second").touch()
        assert (await ended(service, job)).state == "succeeded"
    assert (await service.jobs.result(job.id)).answer == "second:wait first:one x"
    await adds_up(service, job, forfeited=1)


async def test_job_in_another_process_is_cancelled_within_two_seconds(here: Here, tmp_path: Path) -> None:
    service = await here()
    job = await submitted(service)
    with worker(url_of(tmp_path), tmp_path) as first:
        await was_asked(tmp_path, "first wait first:one x")
        await service.jobs.cancel(job.id)
        assert (await service.jobs.wait(job.id, timeout_seconds=2)).state == "cancelled"
        await told(first, "free")
    await adds_up(service, job, forfeited=0)
