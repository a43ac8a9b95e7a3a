"""What every store of durable jobs owes; part of the suite in storage.conformance."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage.errors import IdempotencyConflict, InvalidInput, RecordNotFound
from storage.job_records import Fence, Job, JobEnd, JobEvent, JobFilter
from storage.records import BudgetLimits, Payload, usd
from storage.stores import Stores

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LEASE_SECONDS = 30.0
AFTER_LEASE = NOON + timedelta(seconds=31)
HARD_NAME = "π 漢字 \x00"
DONE = JobEnd(state="succeeded")


def a_job(**changes: Any) -> tuple[Job, Payload]:
    """A job with its request; change the job's fields by name."""
    payload = Payload.of('{"workflow": "answer", "input": {}}')
    job = Job(workflow="answer", payload_id=payload.id, payload_digest=payload.digest, created_at=NOON)
    return replace(job, **changes), payload


async def submitted(stores: Stores, **changes: Any) -> Job:
    [job] = await stores.jobs.submit([a_job(**changes)])
    return job


async def claimed(stores: Stores, *, worker: str = "worker_1", now: datetime = NOON, most: int = 10) -> list[Job]:
    return await stores.jobs.claim(worker, most=most, lease_seconds=LEASE_SECONDS, now=now)


async def running(stores: Stores, **changes: Any) -> tuple[Job, Fence]:
    """A new job in a worker's hands."""
    submission = await submitted(stores, **changes)
    [job] = [each for each in await claimed(stores) if each.id == submission.id]
    return job, fence_of(job)


def fence_of(job: Job) -> Fence:
    return Fence(job_id=job.id, number=job.fence)


def a_note(job: Job, kind: Any = "step_started") -> JobEvent:
    return JobEvent(job_id=job.id, kind=kind, data={"step": HARD_NAME}, at=NOON)


async def kinds_of(stores: Stores, job: Job) -> list[str]:
    """Of the job's events, whose numbers must have no gap."""
    events = await stores.jobs.events(job.id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return [event.kind for event in events]


class JobSubmissionConformance:
    """What was acknowledged is there, once."""

    async def test_a_job_is_read_back_as_it_was_submitted_with_its_request_and_first_event(
        self, stores: Stores
    ) -> None:
        job, payload = a_job(
            tenant="acme",
            principal="alice",
            account_id="acme/key",
            limits=BudgetLimits(usd=usd("0.000123"), tokens=2**60, seconds=1.0, joules=1e-6),
            priority=-7,
            deadline=NOON + MINUTE,
            not_before=NOON,
            metadata={"who": HARD_NAME},
            webhook_url="https://example.com/\x00",
            idempotency_key="π",
            request_sha256="ab" * 32,
        )
        [stored] = await stores.jobs.submit([(job, payload)])
        assert stored == replace(job, position=1)
        assert await stores.jobs.get(job.id) == stored
        assert await stores.jobs.find(JobFilter()) == [stored]
        assert await stores.payloads.get(job.payload_id) == payload
        assert await stores.jobs.events(job.id) == [JobEvent(job_id=job.id, kind="queued", seq=1, at=NOON)]
        assert (await stores.jobs.counts())["queued"] == 1

    async def test_what_only_a_store_may_say_is_not_taken_from_the_caller(self, stores: Stores) -> None:
        job = await submitted(
            stores, state="running", fence=7, worker="mine", position=9, error_code="no", ended_at=NOON
        )
        assert (job.state, job.fence, job.worker, job.position, job.error_code) == ("queued", 0, None, 1, None)
        assert job.ended_at is None

    async def test_the_same_key_and_request_give_the_first_job(self, stores: Stores) -> None:
        first = await submitted(stores, tenant="acme", idempotency_key="k", request_sha256="one")
        again, payload = a_job(tenant="acme", idempotency_key="k", request_sha256="one")
        assert await stores.jobs.submit([(again, payload)]) == [first]
        with pytest.raises(RecordNotFound):
            await stores.payloads.get(payload.id)
        with pytest.raises(IdempotencyConflict, match="'k' was used for another request"):
            await submitted(stores, tenant="acme", idempotency_key="k", request_sha256="two")
        other = await submitted(stores, tenant="other", idempotency_key="k", request_sha256="two")
        assert (other.position, (await stores.jobs.counts())["queued"]) == (2, 2)

    async def test_of_many_submissions_with_one_key_at_once_one_is_made(self, stores: Stores) -> None:
        given = [a_job(idempotency_key="k", request_sha256="one") for _ in range(20)]
        answers = await asyncio.gather(*(stores.jobs.submit([each]) for each in given))
        assert len({job.id for [job] in answers}) == 1
        assert len(await stores.jobs.find(JobFilter())) == 1

    async def test_of_many_submissions_with_one_key_and_other_requests_one_is_made(self, stores: Stores) -> None:
        given = [a_job(idempotency_key="k", request_sha256=str(number)) for number in range(20)]
        answers = await asyncio.gather(*(stores.jobs.submit([each]) for each in given), return_exceptions=True)
        assert sum(isinstance(answer, IdempotencyConflict) for answer in answers) == 19
        [job] = await stores.jobs.find(JobFilter())
        assert [[job]] == [answer for answer in answers if isinstance(answer, list)]

    async def test_a_batch_is_stored_whole_or_not_at_all(self, stores: Stores) -> None:
        await submitted(stores, idempotency_key="k", request_sha256="one")
        with pytest.raises(IdempotencyConflict):
            await stores.jobs.submit([a_job(), a_job(idempotency_key="k", request_sha256="two")])
        assert len(await stores.jobs.find(JobFilter())) == 1
        twice = [a_job(idempotency_key="new", request_sha256="one") for _ in range(2)]
        jobs = await stores.jobs.submit([a_job(), *twice])
        assert [job.position for job in jobs] == [2, 3, 3]
        assert await stores.jobs.submit([]) == []

    async def test_a_job_that_could_not_be_read_back_is_refused(self, stores: Stores) -> None:
        job, payload = a_job()
        await stores.jobs.submit([(job, payload)])
        for bad in (
            a_job(workflow="a\x00"),
            a_job(tenant="\ud800"),
            a_job(idempotency_key="\x00"),
            a_job(priority=101),
            a_job(deadline=datetime(2026, 3, 1)),
            (job, Payload.of("another text")),
            a_job(id=job.id),
        ):
            with pytest.raises(InvalidInput):
                await stores.jobs.submit([bad])
        assert await stores.jobs.find(JobFilter()) == [await stores.jobs.get(job.id)]

    async def test_jobs_are_found_newest_first_and_page_by_page(self, stores: Stores) -> None:
        jobs = await stores.jobs.submit(
            [a_job(tenant="ab"[n % 2], workflow="xyz"[n % 3], priority=n % 5) for n in range(12)]
        )
        seen: list[Job] = []
        page = JobFilter(limit=5)
        while found := await stores.jobs.find(page):
            seen += found
            page = replace(page, before_position=found[-1].position)
        assert seen == jobs[::-1]
        found = await stores.jobs.find(JobFilter(tenant="b", workflow="x", before_position=10))
        assert [job.position for job in found] == [4]
        await stores.jobs.cancel(jobs[3].id)
        assert [job.id for job in await stores.jobs.find(JobFilter(state="cancelled"))] == [jobs[3].id]
        assert await stores.jobs.find(JobFilter(limit=0)) == []

    async def test_queued_jobs_are_counted_for_each_tenant(self, stores: Stores) -> None:
        await submitted(stores, tenant="a")
        await submitted(stores, tenant="a", not_before=NOON + timedelta(days=900))
        done = await submitted(stores, tenant="b")
        await stores.jobs.cancel(done.id)
        assert [await stores.jobs.queued_of(tenant) for tenant in ("a", "b", "c")] == [2, 0, 0]

    async def test_an_unknown_job_is_named(self, stores: Stores) -> None:
        for call in (stores.jobs.get, stores.jobs.cancel, stores.jobs.events):
            with pytest.raises(RecordNotFound, match="No job 'job_x'"):
                await call("job_x")


class JobClaimConformance:
    """Each job is one worker's at a time, in the right order."""

    async def test_claims_go_by_priority_then_age_and_take_no_more_than_asked(self, stores: Stores) -> None:
        jobs = await stores.jobs.submit([a_job(priority=priority) for priority in (0, 5, 0, 9, -3)])
        first = await claimed(stores, most=2)
        assert [job.id for job in first] == [jobs[3].id, jobs[1].id]
        rest = await claimed(stores, most=10)
        assert [job.id for job in rest] == [jobs[0].id, jobs[2].id, jobs[4].id]
        assert await claimed(stores) == []
        assert await claimed(stores, most=0) == []

    async def test_a_claimed_job_says_whose_it_is_and_since_when(self, stores: Stores) -> None:
        job, fence = await running(stores)
        assert (job.state, job.fence, job.worker, job.started_at) == ("running", 1, "worker_1", NOON)
        assert job.lease_expires_at == NOON + timedelta(seconds=LEASE_SECONDS)
        assert await stores.jobs.get(job.id) == job
        assert await kinds_of(stores, job) == ["queued", "started"]
        assert (await stores.jobs.counts())["running"] == 1
        assert fence == Fence(job_id=job.id, number=1)

    async def test_a_job_is_not_claimed_before_its_time(self, stores: Stores) -> None:
        later = await submitted(stores, not_before=NOON + MINUTE, priority=100)
        sooner = await submitted(stores)
        assert [job.id for job in await claimed(stores)] == [sooner.id]
        assert await claimed(stores) == []
        assert [job.id for job in await claimed(stores, now=NOON + MINUTE, most=1)][0:1] == [later.id]

    async def test_many_claims_at_once_never_give_one_job_twice(self, stores: Stores) -> None:
        jobs = await stores.jobs.submit([a_job() for _ in range(30)])
        answers = await asyncio.gather(*(claimed(stores, worker=f"worker_{n}", most=4) for n in range(12)))
        taken = [job.id for answer in answers for job in answer]
        assert sorted(taken) == sorted(job.id for job in jobs)
        assert all(len(answer) <= 4 for answer in answers)

    async def test_a_job_whose_lease_ran_out_goes_to_another_under_a_higher_fence(self, stores: Stores) -> None:
        job, _ = await running(stores)
        assert await claimed(stores, worker="worker_2", now=NOON + timedelta(seconds=29)) == []
        [again] = await claimed(stores, worker="worker_2", now=AFTER_LEASE)
        assert (again.id, again.fence, again.worker, again.started_at) == (job.id, 2, "worker_2", NOON)
        events = await stores.jobs.events(job.id)
        assert [event.kind for event in events] == ["queued", "started", "resumed"]
        assert events[-1].data == {"worker": "worker_2", "fence": "2"}

    async def test_a_beat_prolongs_the_lease_and_tells_what_became_of_it(self, stores: Stores) -> None:
        jobs = [(await running(stores))[0] for _ in range(4)]
        fences = [fence_of(job) for job in jobs]
        await stores.jobs.cancel(jobs[1].id)
        await stores.jobs.finish(fences[2], DONE)
        stale = replace(fences[3], number=0)
        unknown = Fence(job_id="job_x", number=1)
        asked = [*fences[:3], stale, unknown]
        beats = await stores.jobs.beat(asked, lease_seconds=LEASE_SECONDS, now=NOON + MINUTE / 3)
        assert beats == {
            jobs[0].id: "held",
            jobs[1].id: "cancel",
            jobs[2].id: "lost",
            jobs[3].id: "lost",
            "job_x": "lost",
        }
        found = await claimed(stores, worker="worker_2", now=AFTER_LEASE)
        assert [job.id for job in found] == [jobs[3].id]
        assert await stores.jobs.beat([], lease_seconds=LEASE_SECONDS, now=NOON) == {}

    async def test_a_lease_must_last(self, stores: Stores) -> None:
        await submitted(stores)
        for seconds in (0, -1.0, float("nan"), 1e9):
            with pytest.raises(InvalidInput, match="lease_seconds"):
                await stores.jobs.claim("worker_1", most=1, lease_seconds=seconds, now=NOON)

    async def test_what_passed_its_deadline_fails_unless_a_worker_has_it(self, stores: Stores) -> None:
        queued = await submitted(stores, deadline=NOON + MINUTE / 60, not_before=NOON + MINUTE)
        dead, _ = await running(stores, deadline=NOON + MINUTE / 60)
        alive, fence = await running(stores, deadline=NOON + MINUTE / 60)
        await stores.jobs.beat([fence], lease_seconds=600, now=NOON)
        assert await claimed(stores, now=AFTER_LEASE) == []
        for job in (queued, dead):
            ended = await stores.jobs.get(job.id)
            assert (ended.state, ended.error_code, ended.ended_at) == ("failed", "deadline_exceeded", AFTER_LEASE)
            assert "2026-03-01T12:00:01.000000Z" in (ended.error_message or "")
        assert (await stores.jobs.get(alive.id)).state == "running"
        assert await kinds_of(stores, dead) == ["queued", "started", "failed"]
        assert await stores.jobs.counts() == {"queued": 0, "running": 1, "succeeded": 0, "failed": 2, "cancelled": 0}
