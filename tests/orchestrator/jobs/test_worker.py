"""The worker over stores in memory: slots, leases, cancels, deadlines, draining, and what is never done twice."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agents.llm import CompletionRequest, ScriptedLLM
from orchestrator.checkpoints import FILE_SUFFIX
from orchestrator.jobs.request import JobRequest
from orchestrator.service import Service
from orchestrator.workflow import Workflow
from storage.errors import StorageUnavailable
from storage.job_records import Fence, Job, JobEnd, JobEvent
from storage.records import utc_now
from storage.webhook_records import Delivery
from tests.conftest import MakeService, fails
from tests.orchestrator.doubles import GatedLLM, until

ASK = JobRequest(input={"text": "The capital of France?", "options": {"candidate": "small"}})
TWO = Workflow("two", inputs=["text"]).step("one", "one {text}", candidate="small").step("last", "last {one}")


class Counting(ScriptedLLM):
    """Says back what it was asked, and remembers it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(reply=self.said)

    def said(self, request: CompletionRequest) -> str:
        self.asked.append(request.messages[-1].content)
        return f"<{self.asked[-1]}>"


async def begun(model: GatedLLM) -> None:
    async with asyncio.timeout(10):
        await model.has_begun.wait()


async def ended(service: Service, job: Job) -> Job:
    done = await service.jobs.wait(job.id, timeout_seconds=10)
    assert done.has_ended, done
    return done


async def kinds(service: Service, job: Job) -> list[str]:
    return [event.kind for event in await service.stores.jobs.events(job.id)]


async def held(service: Service) -> Decimal:
    return sum((account.held_usd for account in await service.stores.budgets.accounts()), Decimal(0))


async def dies(service: Service) -> None:
    """The worker is gone from one moment to the next: it writes nothing, and its lease runs out."""
    worker = service.worker
    for each in worker.held.values():
        each.cut("lost")
    await asyncio.wait(worker.tasks)
    await worker.stop()


async def test_no_more_jobs_run_than_there_are_slots(make_service: MakeService) -> None:
    model = GatedLLM(["a"])
    service = await make_service(small=model, jobs={"slots": 2})
    service.worker.start()
    jobs = await service.jobs.submit_many([ASK] * 3)
    await begun(model)
    await until(lambda: _is(len(service.worker.held) == 2))
    assert [job.state for job in [await service.jobs.get(job.id) for job in jobs]] == ["running", "running", "queued"]
    model.gate.set()
    for job in jobs:
        assert (await ended(service, job)).state == "succeeded"


async def _is(condition: bool) -> bool:
    return condition


async def test_higher_priority_runs_first_and_what_is_not_due_waits(make_service: MakeService) -> None:
    model = Counting()
    service = await make_service(small=model, jobs={"slots": 1})
    later = utc_now() + timedelta(hours=1)
    asked = [("low", {}), ("high", {"priority": 5}), ("later", {"priority": 9, "not_before": later})]
    jobs = [
        await service.jobs.submit(JobRequest(input={"text": text, "options": {"candidate": "small"}}, **more))
        for text, more in asked
    ]
    service.worker.start()
    await ended(service, jobs[0])
    assert model.asked == ["high", "low"]
    assert (await service.jobs.get(jobs[2].id)).state == "queued"


async def test_running_job_that_is_cancelled_is_settled_and_recorded_at_once(make_service: MakeService) -> None:
    model = GatedLLM(["a"])
    service = await make_service(small=model)
    service.worker.start()
    job = await service.jobs.submit(ASK)
    await begun(model)
    before = time.perf_counter()
    assert (await service.jobs.cancel(job.id)).is_cancel_requested
    assert (await ended(service, job)).state == "cancelled"
    assert time.perf_counter() - before < 2
    assert model.was_cancelled
    assert (await kinds(service, job))[-2:] == ["cancel_requested", "cancelled"]
    [attempt] = (await service.trace(job.run_id)).attempts
    assert [outcome.status for outcome in attempt.outcomes] == ["cancelled"]
    assert await held(service) == 0


async def test_cancel_by_another_process_is_heard_within_two_seconds(make_service: MakeService) -> None:
    model = GatedLLM(["a"])
    service = await make_service(small=model)
    service.worker.start()
    job = await service.jobs.submit(ASK)
    await begun(model)
    await service.stores.jobs.cancel(job.id)  # no bell rings
    done = await service.jobs.wait(job.id, timeout_seconds=2)
    assert done.state == "cancelled"


async def test_job_past_its_deadline_fails_wherever_it_stands(make_service: MakeService) -> None:
    model = GatedLLM(["a"])
    service = await make_service(small=model)
    service.worker.start()
    soon = utc_now() + timedelta(seconds=0.3)
    job = await service.jobs.submit(JobRequest(input=ASK.input, deadline=soon))
    await begun(model)
    done = await ended(service, job)
    assert (done.state, done.error_code) == ("failed", "deadline_exceeded")
    assert model.was_cancelled
    assert await held(service) == 0


async def test_queued_job_past_its_deadline_never_runs(make_service: MakeService) -> None:
    model = Counting()
    service = await make_service(small=model)
    job = await service.jobs.submit(JobRequest(input=ASK.input, deadline=utc_now() - timedelta(seconds=1)))
    service.worker.start()
    assert (await ended(service, job)).error_code == "deadline_exceeded"
    assert model.asked == []


async def test_error_of_a_step_ends_the_job(make_service: MakeService) -> None:
    service = await make_service(small=fails)
    service.worker.start()
    job = await service.jobs.submit(ASK)
    done = await ended(service, job)
    assert (done.state, done.error_code) == ("failed", "model_unavailable")
    assert "down" in str(done.error_message)
    with pytest.raises(Exception, match="down"):
        await service.jobs.result(job.id)
    assert (await kinds(service, job))[-1] == "failed"


async def test_job_may_not_cost_more_than_its_limits(make_service: MakeService) -> None:
    service = await make_service()
    service.worker.start()
    job = await service.jobs.submit(JobRequest(input=ASK.input, limits={"usd": "0.000001"}))
    assert (await ended(service, job)).error_code == "budget_exceeded"
    assert await held(service) == 0


async def test_draining_lets_a_job_go_on_that_is_done_in_time(make_service: MakeService) -> None:
    model = GatedLLM(["a"])
    service = await make_service(small=model)
    service.worker.drain_seconds = 10
    service.worker.start()
    job, after = await service.jobs.submit(ASK), JobRequest(input={"text": "later"})
    await begun(model)
    stop = asyncio.create_task(service.worker.stop())
    await asyncio.sleep(0)
    waiting = await service.jobs.submit(after)
    model.gate.set()
    await stop
    assert (await service.jobs.get(job.id)).state == "succeeded"
    assert (await service.jobs.get(waiting.id)).state == "queued"
    assert not service.worker.is_running


async def test_job_that_is_not_done_in_time_is_released_and_goes_on_elsewhere(make_service: MakeService) -> None:
    model = GatedLLM(["a"])
    service = await make_service(small=model)
    service.worker.start()
    job = await service.jobs.submit(ASK)
    await begun(model)
    await service.worker.stop()
    assert (await service.jobs.get(job.id)).state == "queued"
    assert await held(service) == 0
    model.gate.set()
    service.worker.start()
    assert (await ended(service, job)).fence == 2
    assert await kinds(service, job) == [
        "queued", "started", "step_started", "released", "resumed", "step_started", "step_finished", "succeeded",
    ]  # fmt: skip


async def test_closing_service_releases_its_jobs(make_service: MakeService) -> None:
    first, second = GatedLLM(["a"]), GatedLLM(["b"])
    one = await make_service(small=first)
    one.worker.start()
    job = await one.jobs.submit(ASK)
    await begun(first)
    stores = one.stores
    await one.worker.stop()
    two = await make_service(small=second, stores=stores)
    second.gate.set()
    two.worker.start()
    assert (await ended(two, job)).state == "succeeded"
    assert (await two.jobs.result(job.id)).answer == "b"


async def test_step_that_was_answered_before_the_worker_died_is_not_asked_again(make_service: MakeService) -> None:
    """Its checkpoint, its events and its outcome are there; the next worker goes on with the next step."""
    small, large = Counting(), GatedLLM(["end"])
    service = await make_service(small=small, large=large, jobs={"lease_seconds": 1})
    service.worker.start()
    workflow = Workflow("two", inputs=["text"]).step("one", "one {text}", candidate="small")
    workflow.step("last", "last {one}", candidate="large")
    job = await service.jobs.submit(JobRequest(workflow=workflow, input={"text": "x"}))
    await begun(large)
    await dies(service)
    assert (await service.worker.runs.checkpoints.thread(job.id, 2)).has_begun
    large.gate.set()
    service.worker.start()
    assert (await ended(service, job)).fence == 2
    assert small.asked == ["one x"]
    assert (await service.jobs.result(job.id)).answers == {"one": "<one x>", "last": "end"}
    steps = [event.data.get("step") for event in await service.stores.jobs.events(job.id) if "step" in event.data]
    assert steps == ["one", "one", "last", "last", "last"]


async def test_answer_that_was_recorded_but_not_told_is_found_and_not_paid_again(make_service: MakeService) -> None:
    """The worker dies between the outcome's commit and everything after it."""
    small = Counting()
    service = await make_service(small=small, jobs={"lease_seconds": 1})
    note = service.stores.jobs.note

    async def dying(fence: Fence, *events: JobEvent) -> list[JobEvent]:
        if events[0].kind == "step_finished" and fence.number == 1:
            raise StorageUnavailable("Gone.")
        return await note(fence, *events)

    service.stores.jobs.note = dying  # type: ignore[method-assign]  # the double's own method
    service.worker.start()
    job = await service.jobs.submit(ASK)
    assert (await ended(service, job)).fence == 2
    assert small.asked == ["The capital of France?"]
    [attempt] = (await service.trace(job.run_id)).attempts
    result = await service.jobs.result(job.id)
    assert result.answer == "<The capital of France?>"
    assert result.cost_usd == attempt.outcomes[0].cost_usd == (await service.stores.budgets.get("default")).spent_usd


@pytest.mark.parametrize("plan", ["vote", "single"])
async def test_answer_of_a_plan_is_found_again_too(plan: str, make_service: MakeService) -> None:
    small = Counting()
    service = await make_service(small=small, large=small, jobs={"lease_seconds": 1})
    finish, ends = service.stores.jobs.finish, list[JobEnd]()

    async def dying(fence: Fence, end: JobEnd, *, deliveries: Any = ()) -> Job:
        ends.append(end)
        if len(ends) == 1:
            raise StorageUnavailable("Gone.")
        return await finish(fence, end, deliveries=deliveries)

    service.stores.jobs.finish = dying  # type: ignore[method-assign]  # the double's own method
    service.worker.start()
    options = {"plan": plan, "verifier": {"kind": "regex", "pattern": "."}}
    job = await service.jobs.submit(JobRequest(input={"text": "x", "options": options}))
    await ended(service, job)
    asked, first, second = len(small.asked), ends[0].result, ends[1].result
    assert first is not None and second is not None
    assert first.text == second.text
    assert asked == len((await service.trace(job.run_id)).attempts)


async def test_steps_side_by_side_of_which_one_was_done_go_on_with_the_other(make_service: MakeService) -> None:
    small, large = Counting(), GatedLLM(["b"])
    service = await make_service(small=small, large=large, jobs={"lease_seconds": 1})
    service.worker.start()
    workflow = Workflow("w", inputs=["t"]).step("a", "a {t}", candidate="small").step("b", "b {t}", candidate="large")
    workflow.step("both", "{a} {b}", candidate="small")
    job = await service.jobs.submit(JobRequest(workflow=workflow, input={"t": "x"}))
    await begun(large)
    await until(lambda: _has(service, job, "step_finished"))
    await dies(service)
    large.gate.set()
    service.worker.start()
    assert (await ended(service, job)).state == "succeeded"
    assert small.asked == ["a x", "<a x> b"]


async def _has(service: Service, job: Job, kind: str) -> bool:
    return kind in await kinds(service, job)


async def test_worker_that_lost_its_job_writes_nothing_more(make_service: MakeService) -> None:
    model = GatedLLM(["a"])
    service = await make_service(small=model, jobs={"lease_seconds": 3600})
    service.worker.start()
    job = await service.jobs.submit(ASK)
    await begun(model)
    later = utc_now() + timedelta(hours=2)
    [taken] = await service.stores.jobs.claim("other", most=1, lease_seconds=60, now=later)
    written = await service.stores.audit.last_position()
    model.gate.set()  # it answers, and knows nothing yet
    await until(lambda: _is(not service.worker.held))
    assert await service.stores.audit.last_position() == written
    assert (taken.fence, await kinds(service, job)) == (2, ["queued", "started", "step_started", "resumed"])
    [attempt] = (await service.trace(job.run_id)).attempts
    assert attempt.outcomes == ()
    fence = Fence(job_id=job.id, number=2)
    assert (await service.stores.jobs.finish(fence, JobEnd(state="failed"))).state == "failed"


async def test_job_that_takes_its_workers_down_fails_in_the_end(make_service: MakeService) -> None:
    model = Counting()
    service = await make_service(small=model, jobs={"most_claims": 1})
    job = await service.jobs.submit(ASK)
    await service.stores.jobs.claim("dead", most=1, lease_seconds=1, now=utc_now() - timedelta(minutes=1))
    service.worker.start()
    done = await ended(service, job)
    assert (done.error_code, model.asked) == ("too_many_claims", [])


async def test_erased_request_cannot_be_run(make_service: MakeService) -> None:
    service = await make_service()
    job = await service.jobs.submit(ASK)
    await service.stores.payloads.erase(job.payload_id)
    service.worker.start()
    done = await ended(service, job)
    assert (done.state, done.error_code) == ("failed", "not_found")


async def test_states_between_steps_are_forgotten_when_the_job_ends(make_service: MakeService) -> None:
    service = await make_service()
    service.worker.start()
    job = await service.jobs.submit(JobRequest(workflow=TWO, input={"text": "x"}))
    await ended(service, job)
    await until(lambda: _is(not service.worker.held))
    checkpoints = service.worker.runs.checkpoints
    assert await checkpoints.jobs() == {}
    await checkpoints.thread("job_left", 1)
    assert (await checkpoints.thread("job_left", 2)).has_begun is False


async def test_job_whose_state_cannot_be_saved_goes_on_when_the_store_is_back(
    make_service: MakeService, tmp_path: Path
) -> None:
    store, model = tmp_path / "a.db", Counting()

    def renamed(old: str, new: str) -> None:
        with closing(sqlite3.connect(f"{store}{FILE_SUFFIX}")) as connection:
            connection.execute(f"ALTER TABLE {old} RENAME TO {new}")

    def reply(request: CompletionRequest) -> str:
        if not model.asked:
            renamed("checkpoints", "away")
        return model.said(request)

    service = await make_service(small=reply, large=model, store_url=f"sqlite:///{store}", jobs={"lease_seconds": 1})
    service.worker.start()
    job = await service.jobs.submit(JobRequest(workflow=TWO, input={"text": "x"}))
    await until(lambda: _is(bool(model.asked) and not service.worker.held))
    assert (await service.jobs.get(job.id)).state == "running"
    renamed("away", "checkpoints")
    done = await ended(service, job)
    assert (done.state, done.fence) == ("succeeded", 2)
    assert model.asked == ["one x", "last <one x>"]


async def test_who_asked_for_a_webhook_is_told_how_the_job_ended(make_service: MakeService) -> None:
    service = await make_service()
    service.worker.start()
    job = await service.jobs.submit(JobRequest(input=ASK.input, webhook_url="https://example.com/hook"))
    await ended(service, job)
    [delivery] = await service.stores.deliveries.find(job_id=job.id)
    assert isinstance(delivery, Delivery)
    assert (delivery.kind, delivery.state) == ("job.succeeded", "pending")
