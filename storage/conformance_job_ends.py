"""The tests of every store's jobs, continued: what a fence lets through, and how jobs end."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from storage.audit import verify
from storage.conformance_jobs import (
    AFTER_LEASE,
    DONE,
    HARD_NAME,
    JobClaimConformance,
    JobSubmissionConformance,
    a_note,
    claimed,
    fence_of,
    kinds_of,
    running,
    submitted,
)
from storage.errors import LeaseLost, RecordNotFound
from storage.job_records import JobEnd
from storage.records import Amount, BudgetAccount, Payload, usd, utc_now
from storage.stores import Stores


class JobFenceConformance:
    """Who lost the job can write nothing."""

    async def test_every_write_under_a_stale_fence_is_refused_and_writes_nothing(self, stores: Stores) -> None:
        job, stale = await running(stores)
        [now_its] = await claimed(stores, worker="worker_2", now=AFTER_LEASE)
        result = Payload.of("too late")
        before = await kinds_of(stores, job)
        for call in (
            stores.jobs.note(stale, a_note(job)),
            stores.jobs.finish(stale, JobEnd(state="succeeded", result=result)),
            stores.jobs.release(stale),
            stores.journal.write(result, fence=stale),
        ):
            with pytest.raises(LeaseLost, match=f"Fence 1 of job '{job.id}' is no longer good"):
                await call
        assert await stores.jobs.get(job.id) == now_its
        assert await kinds_of(stores, job) == before
        with pytest.raises(RecordNotFound):
            await stores.payloads.get(result.id)
        assert (await verify(stores)).is_whole

    @pytest.mark.parametrize("how", ["released", "ended", "claimed before", "unknown"])
    async def test_a_fence_is_good_only_while_the_job_runs_under_it(self, stores: Stores, how: str) -> None:
        job, fence = await running(stores)
        if how == "released":
            await stores.jobs.release(fence)
        elif how == "ended":
            await stores.jobs.finish(fence, DONE)
        elif how == "claimed before":
            fence = replace(fence, number=fence.number + 1)
        else:
            fence = replace(fence, job_id="job_x")
        for call in (
            stores.jobs.note(fence, a_note(job)),
            stores.jobs.release(fence),
            stores.jobs.finish(fence, JobEnd(state="failed", error_code="other")),
            stores.journal.write(Payload.of("text"), fence=fence),
        ):
            with pytest.raises(LeaseLost):
                await call

    async def test_who_lost_the_job_can_neither_hold_nor_settle_and_its_hold_runs_out(self, stores: Stores) -> None:
        _, stale = await running(stores)
        await stores.budgets.open(BudgetAccount(id="acme", limit_usd=usd(1)))
        held = Amount(usd=usd("0.4"))
        hold = await stores.budgets.hold("acme", held, expires_in_seconds=0, fence=stale)
        [job] = await claimed(stores, worker="worker_2", now=AFTER_LEASE)
        with pytest.raises(LeaseLost):
            await stores.budgets.hold("acme", held, expires_in_seconds=60, fence=stale)
        with pytest.raises(LeaseLost):
            await stores.budgets.settle(hold.id, Amount(), fence=stale)
        assert (await stores.budgets.get("acme")).held == held
        assert await stores.budgets.reap(utc_now()) == [hold]
        again = await stores.budgets.hold("acme", held, expires_in_seconds=60, fence=fence_of(job))
        await stores.budgets.settle(again.id, Amount(usd=usd("0.1")), fence=fence_of(job))
        account = await stores.budgets.get("acme")
        assert (account.held, account.spent) == (Amount(), Amount(usd=usd("0.5")))
        assert [event.kind for event in await stores.audit.events()].count("hold_forfeited") == 1

    async def test_a_good_fence_lets_everything_through(self, stores: Stores) -> None:
        job, fence = await running(stores)
        payload = Payload.of("a step's result")
        await stores.journal.write(payload, fence=fence)
        assert await stores.payloads.get(payload.id) == payload
        [first, second] = await stores.jobs.note(fence, a_note(job), a_note(job, "step_finished"))
        assert (first, second) == (replace(a_note(job), seq=3), replace(a_note(job, "step_finished"), seq=4))
        assert await stores.jobs.events(job.id, after=2) == [first, second]
        assert await stores.jobs.events(job.id, after=2, limit=1) == [first]
        assert await stores.jobs.note(fence) == []

    async def test_numbers_of_events_have_no_gap_when_many_are_noted_at_once(self, stores: Stores) -> None:
        job, fence = await running(stores)
        stale = replace(fence, number=7)
        calls = [stores.jobs.note(stale if n % 5 == 0 else fence, *[a_note(job)] * (n % 3)) for n in range(30)]
        answers = await asyncio.gather(*calls, stores.jobs.cancel(job.id), return_exceptions=True)
        assert sum(isinstance(answer, LeaseLost) for answer in answers) == 6
        kinds = await kinds_of(stores, job)
        assert kinds.count("step_started") == sum(n % 3 for n in range(30) if n % 5)
        assert kinds.count("cancel_requested") == 1


class JobEndConformance:
    """Every job comes to one end, and says so once."""

    async def test_a_finished_job_has_its_result_and_a_last_event(self, stores: Stores) -> None:
        job, fence = await running(stores)
        result = Payload.of('{"text": "51"}')
        end = JobEnd(state="succeeded", result=result, data={"cost_usd": "0.001"})
        ended = await stores.jobs.finish(fence, end)
        assert (ended.state, ended.result_payload_id, ended.result_digest) == ("succeeded", result.id, result.digest)
        assert (ended.worker, ended.lease_expires_at, ended.has_ended) == (None, None, True)
        assert await stores.jobs.get(job.id) == ended
        assert await stores.payloads.get(result.id) == result
        assert (await stores.jobs.events(job.id))[-1].data == {"cost_usd": "0.001"}
        assert await kinds_of(stores, job) == ["queued", "started", "succeeded"]
        assert await claimed(stores, now=AFTER_LEASE) == []

    async def test_the_same_end_again_changes_nothing_and_another_is_refused(self, stores: Stores) -> None:
        job, fence = await running(stores)
        end = JobEnd(state="failed", error_code="upstream", error_message=HARD_NAME)
        ended = await stores.jobs.finish(fence, end)
        assert await stores.jobs.finish(fence, end) == ended
        assert await kinds_of(stores, job) == ["queued", "started", "failed"]
        with pytest.raises(LeaseLost):
            await stores.jobs.finish(fence, DONE)
        assert (await stores.jobs.counts())["failed"] == 1

    async def test_a_released_job_is_taken_up_again_at_once(self, stores: Stores) -> None:
        job, fence = await running(stores)
        await stores.jobs.release(fence)
        waiting = await stores.jobs.get(job.id)
        assert (waiting.state, waiting.worker, waiting.lease_expires_at) == ("queued", None, None)
        [again] = await claimed(stores, worker="worker_2")
        assert again.fence == 2
        assert await kinds_of(stores, job) == ["queued", "started", "released", "resumed"]

    async def test_a_queued_job_that_is_cancelled_never_runs(self, stores: Stores) -> None:
        job = await submitted(stores)
        assert (await stores.jobs.cancel(job.id)).state == "cancelled"
        assert await claimed(stores) == []
        assert (await stores.jobs.cancel(job.id)).state == "cancelled"
        assert await kinds_of(stores, job) == ["queued", "cancelled"]
        assert await stores.jobs.counts() == {"queued": 0, "running": 0, "succeeded": 0, "failed": 0, "cancelled": 1}

    async def test_a_running_job_is_asked_to_stop_once(self, stores: Stores) -> None:
        job, fence = await running(stores)
        for _ in range(2):
            asked = await stores.jobs.cancel(job.id)
            assert (asked.state, asked.is_cancel_requested) == ("running", True)
        await stores.jobs.finish(fence, JobEnd(state="cancelled"))
        assert await kinds_of(stores, job) == ["queued", "started", "cancel_requested", "cancelled"]

    async def test_a_job_that_ended_stays_as_it_is_when_it_is_cancelled(self, stores: Stores) -> None:
        job, fence = await running(stores)
        ended = await stores.jobs.finish(fence, DONE)
        assert await stores.jobs.cancel(job.id) == ended

    @pytest.mark.parametrize("how", ["released", "lease over"])
    async def test_who_claims_a_job_that_was_to_be_cancelled_gets_none(self, stores: Stores, how: str) -> None:
        job, fence = await running(stores)
        await stores.jobs.cancel(job.id)
        if how == "released":
            await stores.jobs.release(fence)
        assert await claimed(stores, now=AFTER_LEASE) == []
        assert (await stores.jobs.get(job.id)).state == "cancelled"

    async def test_a_claim_passes_over_what_nobody_may_run_any_more(self, stores: Stores) -> None:
        doomed = [await running(stores, priority=9) for _ in range(3)]
        for job, fence in doomed:
            await stores.jobs.cancel(job.id)
            await stores.jobs.release(fence)
        good = await submitted(stores)
        assert [job.id for job in await claimed(stores, most=1)] == [good.id]

    async def test_the_log_tells_of_submission_and_end_and_quotes_the_texts_by_digest(self, stores: Stores) -> None:
        job, fence = await running(stores, tenant="acme", metadata={"secret": "metadata stays out"})
        await stores.jobs.finish(fence, JobEnd(state="succeeded", result=Payload.of("result stays out")))
        events = {event.kind: event for event in await stores.audit.events()}
        assert {"job_submitted", "job_ended"} <= events.keys()
        for kind in ("job_submitted", "job_ended"):
            event = events[kind]
            assert (event.subject_id, event.tenant, event.run_id) == (job.id, "acme", job.run_id)
            assert "stays out" not in event.canonical
        assert (await verify(stores)).is_whole
        await stores.payloads.erase(job.payload_id)
        verification = await verify(stores)
        assert (verification.is_whole, verification.erased_payloads) == (True, 1)


class JobConformance(JobSubmissionConformance, JobClaimConformance, JobFenceConformance, JobEndConformance):
    """The whole of it."""
