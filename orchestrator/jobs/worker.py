"""Claims jobs and runs them, some side by side: keeps their leases, stops them when it must, and writes how they end.

Whatever goes wrong, a job is in one of three places: here, under a lease that is prolonged; back in the queue; or
left alone, so that its lease runs out and somebody claims it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from orchestrator.errors import DeadlineExceeded, Failure, Overloaded
from orchestrator.fencing import current_fence
from orchestrator.jobs.bell import CANCELS, WORK, Bell, end_of
from orchestrator.jobs.runs import JobRuns
from orchestrator.texts import storable
from storage.errors import LeaseLost, ServiceError, StorageUnavailable
from storage.job_records import Fence, Job, JobEnd
from storage.records import Payload, new_id, utc_now
from storage.service_stores import JobStore
from storage.webhook_records import Delivery

LEASE_SECONDS = 15.0
LONGEST_SILENCE_SECONDS = 1.0  # between beats: they also tell of cancels, which shall be heard within 2 s
POLL_SECONDS = 1.0
TROUBLE_SECONDS = 1.0  # until a worker asks again whose database did not answer
MESSAGE_CHARACTERS = 2000  # of an error's message that are kept
Why = Literal["lost", "cancelled", "deadline", "drained"]

log = logging.getLogger("antroute.jobs")


@dataclass(eq=False, kw_only=True)
class Held:
    """A job in this worker's hands."""

    job: Job
    fence: Fence
    body: asyncio.Task[Payload] | None = None
    why: Why | None = None  # it was cut short

    def cut(self, why: Why) -> None:
        """Stops the steps; what is under way is settled and recorded first. The first reason stands."""
        if self.why is None and (self.body is None or not self.body.done()):
            self.why = why
            if self.body is not None:
                self.body.cancel()


@dataclass(kw_only=True)
class JobWorker:
    """Runs up to `slots` jobs side by side, between `start` and `stop`."""

    store: JobStore
    runs: JobRuns
    bell: Bell
    slots: int = 16
    lease_seconds: float = LEASE_SECONDS
    poll_seconds: float = POLL_SECONDS
    most_claims: int = 100
    drain_seconds: float = 0.0  # that jobs at hand get when the worker is stopped
    delivery_of: Callable[[Job, JobEnd], Delivery | None] = lambda job, end: None
    now: Callable[[], datetime] = utc_now
    name: str = field(default_factory=lambda: new_id("worker"))
    end_listeners: list[Callable[[Job], None]] = field(default_factory=list)  # hear of jobs that ended here
    held: dict[str, Held] = field(default_factory=dict)  # by job id
    tasks: set[asyncio.Task[None]] = field(default_factory=set)  # one a job
    loops: list[asyncio.Task[None]] = field(default_factory=list)
    is_stopping: bool = False
    stop_at: float = 0.0  # by the loop's clock

    @property
    def is_running(self) -> bool:
        return bool(self.loops)

    def start(self) -> None:
        """A second call changes nothing, and neither does one where there are no slots."""
        if not self.loops and self.slots:
            self.is_stopping = False
            self.loops = [asyncio.create_task(work) for work in (self._claims(), self._beats(), self._tidy())]
            for loop in self.loops:
                loop.add_done_callback(_told)

    async def stop(self) -> None:
        """Takes no more jobs, gives those at hand `drain_seconds`, and releases what is not done by then.

        A second call while the first one waits does the same, and gives no more time.
        """
        if not self.loops:
            return
        claims, *others = self.loops
        if not self.is_stopping:
            self.is_stopping, self.stop_at = True, asyncio.get_running_loop().time() + self.drain_seconds
        self.bell.ring(WORK)
        await asyncio.wait([claims])
        left = self.stop_at - asyncio.get_running_loop().time()
        if self.tasks and left > 0:
            await asyncio.wait(self.tasks, timeout=left)
        for held in self.held.values():
            held.cut("drained")
        if self.tasks:
            await asyncio.wait(self.tasks)  # whoever stops waiting here does not cut them off
        for loop in others:
            loop.cancel()
        await asyncio.wait(others)
        self.loops = []

    def hurry(self) -> None:
        """Releases the jobs at hand now, once it is being stopped: nobody waits any longer for them to end."""
        if self.is_stopping:
            for held in self.held.values():
                held.cut("drained")

    async def _claims(self) -> None:
        """Takes what fits; waits for a ring, for a free slot, or until it is time to look again."""
        while not self.is_stopping:
            with self.bell.listening(WORK) as heard:
                free = max(self.slots - len(self.tasks), 0)
                jobs = await self._claimed(free) if free else []
                for job in jobs:
                    self._take(job)
                if (len(jobs) == free and free) or self.is_stopping:
                    continue
                await heard(self.poll_seconds)

    async def _claimed(self, most: int) -> list[Job]:
        try:
            return await self.store.claim(self.name, most=most, lease_seconds=self.lease_seconds, now=self.now())
        except ServiceError as error:
            log.warning("Jobs could not be claimed: %s", error)
            await asyncio.sleep(TROUBLE_SECONDS)
            return []

    async def _tidy(self) -> None:
        try:
            await self.runs.prune_ended()
        except ServiceError as error:
            log.warning("Saved states of jobs that have ended could not be looked for: %s", error)

    async def _beats(self) -> None:
        """Prolongs all leases in one call, and hears which jobs are lost or to be cancelled."""
        while True:
            with self.bell.listening(CANCELS) as heard:
                await heard(min(self.lease_seconds / 3, LONGEST_SILENCE_SECONDS))
            held = dict(self.held)
            if not held:
                continue
            try:
                beats = await self.store.beat(
                    [each.fence for each in held.values()], lease_seconds=self.lease_seconds, now=self.now()
                )
            except ServiceError as error:  # nobody else can claim them either, and whoever can will fence us off
                log.warning("Leases of %d jobs could not be prolonged: %s", len(held), error)
                continue
            for job_id, beat in beats.items():
                if beat != "held":
                    held[job_id].cut("lost" if beat == "lost" else "cancelled")

    def _take(self, job: Job) -> None:
        """One whose lease ran out in these very hands, when this process stood still, begins anew under its fence."""
        held = Held(job=job, fence=Fence(job_id=job.id, number=job.fence))
        if (stale := self.held.get(job.id)) is not None:
            stale.cut("lost")
        self.held[job.id] = held
        task = asyncio.create_task(self._carry(held))
        self.tasks.add(task)
        task.add_done_callback(self._put_down)

    def _put_down(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("A job was left alone; its lease runs out.", exc_info=error)
        self.bell.ring(WORK)  # a slot is free

    async def _carry(self, held: Held) -> None:
        """Runs the job until it is done, cut short, or past its deadline; then writes what became of it."""
        current_fence.set(held.fence)  # of this task and of all that it starts
        self.bell.ring(held.job.id)
        try:
            end = await self._end(held)
            if end is not None:
                await self._finish(held, end)
            elif held.why == "drained":
                await self.store.release(held.fence)
                self.bell.ring(held.job.id)
        except LeaseLost:
            log.warning("Job %s went to another worker, or has ended; nothing more is written here.", held.job.id)
        except StorageUnavailable as error:  # records that wait are still good until somebody claims the job
            log.warning("Job %s is left until its lease runs out: %s", held.job.id, error)
        finally:
            if self.held.get(held.job.id) is held:  # else the job is here again, under a newer fence
                del self.held[held.job.id]
                self.runs.saved.discard(held.job.id)  # where it goes on, its states are needed

    async def _end(self, held: Held) -> JobEnd | None:
        """How it ends; None: not here. Raises LeaseLost, StorageUnavailable."""
        if held.job.fence > self.most_claims:
            message = f"It was claimed {self.most_claims} times, and no worker could end it."
            return JobEnd(state="failed", error_code="too_many_claims", error_message=message)
        body = held.body = asyncio.create_task(self.runs.run(held.job))
        if held.why is not None:
            body.cancel()
        deadline = held.job.deadline
        seconds = None if deadline is None else max((deadline - self.now()).total_seconds(), 0.0)
        await asyncio.wait([body], timeout=seconds)
        if not body.done():
            held.cut("deadline")
            await asyncio.wait([body])
        if held.why == "lost":
            raise LeaseLost
        return self._judged(held, body)

    def _judged(self, held: Held, body: asyncio.Task[Payload]) -> JobEnd | None:
        error = None if body.cancelled() else body.exception()
        if not body.cancelled() and error is None:
            return JobEnd(state="succeeded", result=body.result())
        if isinstance(error, LeaseLost | StorageUnavailable):
            raise error
        if held.why == "deadline":
            late = DeadlineExceeded(f"The job was not done at its deadline, {held.job.deadline:%Y-%m-%dT%H:%M:%S%z}.")
            return _failed(late)
        if held.why == "cancelled":
            return JobEnd(state="cancelled")
        if error is None or held.why == "drained" or isinstance(error, Overloaded):  # the service is stopping
            held.why = "drained"
            return None
        if not isinstance(error, ServiceError):
            log.error("Job %s failed for a reason that nobody foresaw.", held.job.id, exc_info=error)
        return _failed(error)

    async def _finish(self, held: Held, end: JobEnd) -> None:
        delivery = self.delivery_of(held.job, end)
        ended = await self.store.finish(held.fence, end, deliveries=() if delivery is None else (delivery,))
        for listener in self.end_listeners:
            listener(ended)
        self.bell.ring(held.job.id, end_of(held.job.id))
        try:
            await self.runs.prune(held.job)
        except StorageUnavailable as error:
            log.warning("The saved states of job %s stay for a while: %s", held.job.id, error)


def _failed(error: BaseException) -> JobEnd:
    failure = Failure.of(error, "")
    return JobEnd(state="failed", error_code=failure.code, error_message=storable(failure.message)[:MESSAGE_CHARACTERS])


def _told(loop: asyncio.Task[None]) -> None:
    """A loop that broke is said in the log: jobs would be left without a word."""
    if not loop.cancelled() and (error := loop.exception()) is not None:
        log.error("The worker of jobs broke off.", exc_info=error)
