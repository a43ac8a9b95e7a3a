"""Submitting, following, cancelling: what callers may do with jobs, over stores in memory."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.errors import JobCancelled, JobUnfinished, Overloaded
from orchestrator.identity import Identity
from orchestrator.jobs.request import JobRequest
from orchestrator.service import Service
from orchestrator.workflow import Workflow
from storage.errors import IdempotencyConflict, InvalidInput, RecordNotFound
from storage.job_records import JobFilter
from tests.conftest import MakeService

ASK = JobRequest(input={"text": "The capital of France?"})
THERE = Identity(tenant="there", principal="p", role="writer", account_id="default")
ELSEWHERE = Identity(tenant="elsewhere", principal="q", role="writer", account_id="default")


async def kinds(service: Service, job_id: str, **options: Any) -> list[str]:
    async with asyncio.timeout(10):
        return [event.kind async for event in service.jobs.events(job_id, **options)]


async def test_question_is_answered_and_every_step_is_told(make_service: MakeService) -> None:
    service = await make_service()
    job = await service.jobs.submit(ASK)
    assert (job.state, job.workflow, job.position) == ("queued", "ask", 1)
    service.worker.start()
    assert await kinds(service, job.id) == ["queued", "started", "step_started", "step_finished", "succeeded"]
    result = await service.jobs.result(job.id)
    assert (result.answer, result.answers, result.run_id) == ("Paris", {"answer": "Paris"}, job.run_id)
    trace = await service.trace(job.run_id)
    [attempt] = trace.attempts
    events = await service.stores.jobs.events(job.id)
    assert events[3].data["decision_id"] == attempt.decision.id
    assert result.cost_usd == trace.cost_usd == (await service.stores.budgets.get(job.run_id)).spent_usd > 0


async def test_workflow_of_the_settings_runs_by_its_name(make_service: MakeService) -> None:
    steps = [{"name": "one", "prompt": "{text}"}, {"name": "two", "prompt": "{one} {text}", "candidate": "large"}]
    service = await make_service(workflows={"review": {"inputs": ["text"], "steps": steps}})
    service.worker.start()
    job = await service.jobs.submit(JobRequest(workflow="review", input={"text": "France"}))
    assert (await service.jobs.wait(job.id, timeout_seconds=10)).state == "succeeded"
    assert (await service.jobs.result(job.id)).answers == {"one": "Paris", "two": "Paris"}


async def test_run_belongs_to_who_submitted_and_is_paid_by_the_account(make_service: MakeService) -> None:
    service = await make_service()
    service.worker.start()
    job = await service.jobs.submit(ASK, THERE)
    await service.jobs.wait(job.id, timeout_seconds=10)
    [attempt] = (await service.trace(job.run_id)).attempts
    assert (attempt.decision.tenant, attempt.decision.principal) == ("there", "p")
    account = await service.stores.budgets.get(job.run_id)
    assert account.parent_id == "default"
    assert (await service.stores.budgets.get("default")).spent_usd == account.spent_usd > 0


async def test_events_begin_after_the_one_that_was_heard_and_end_with_the_job(make_service: MakeService) -> None:
    service = await make_service()
    service.worker.start()
    job = await service.jobs.submit(ASK)
    await service.jobs.wait(job.id, timeout_seconds=10)
    assert await kinds(service, job.id, after=3) == ["step_finished", "succeeded"]
    assert await kinds(service, job.id, after=5) == []
    assert await kinds(service, job.id, after=99) == []


async def test_who_listens_hears_what_happens_without_waiting_for_a_look(make_service: MakeService) -> None:
    service = await make_service(jobs={"poll_seconds": 60})
    job = await service.jobs.submit(ASK)
    heard = asyncio.create_task(kinds(service, job.id))
    await asyncio.sleep(0)
    service.worker.start()
    assert (await heard)[-1] == "succeeded"


async def test_wait_gives_the_job_as_it_is_when_the_time_is_over(make_service: MakeService) -> None:
    service = await make_service()
    job = await service.jobs.submit(ASK)
    assert (await service.jobs.wait(job.id, timeout_seconds=0.01)).state == "queued"
    with pytest.raises(JobUnfinished, match="is queued"):
        await service.jobs.result(job.id)


async def test_queued_job_that_is_cancelled_never_runs(make_service: MakeService) -> None:
    service = await make_service()
    job = await service.jobs.submit(ASK)
    assert (await service.jobs.cancel(job.id)).state == "cancelled"
    service.worker.start()
    assert await kinds(service, job.id) == ["queued", "cancelled"]
    with pytest.raises(JobCancelled, match="was cancelled"):
        await service.jobs.result(job.id)


async def test_same_key_and_request_are_the_same_job(make_service: MakeService) -> None:
    service = await make_service()
    asked = JobRequest(input={"text": "a"}, idempotency_key="k", deadline=datetime.now(UTC) + timedelta(hours=1))
    first, again = await service.jobs.submit(asked, THERE), await service.jobs.submit(asked, THERE)
    assert first.id == again.id
    told = await service.jobs.submitted(asked, THERE)
    assert (told.job.id, told.is_new) == (first.id, False)
    with pytest.raises(IdempotencyConflict):
        await service.jobs.submit(JobRequest(input={"text": "b"}, idempotency_key="k"), THERE)
    assert (await service.jobs.submit(asked, ELSEWHERE)).id != first.id


@pytest.mark.parametrize(
    "other",
    [
        {"priority": 1},
        {"metadata": {"a": "c"}},
        {"limits": {"usd": 2}},
        {"workflow": Workflow("other").step("a", "{input}"), "input": {"input": "x"}},
        {"not_before": datetime(2020, 1, 1, tzinfo=UTC)},
    ],
)
async def test_everything_that_was_sent_makes_the_request(other: dict[str, Any], make_service: MakeService) -> None:
    service = await make_service()
    given: dict[str, Any] = {
        "input": {"text": "a"},
        "metadata": {"a": "b"},
        "limits": {"usd": 1},
        "idempotency_key": "k",
    }
    await service.jobs.submit(JobRequest(**given))
    with pytest.raises(IdempotencyConflict):
        await service.jobs.submit(JobRequest(**{**given, **other}))


async def test_tenant_sees_its_own_jobs_alone(make_service: MakeService) -> None:
    service = await make_service()
    job = await service.jobs.submit(ASK, THERE)
    for verb in (service.jobs.get, service.jobs.cancel, service.jobs.result):
        with pytest.raises(RecordNotFound, match=job.id):
            await verb(job.id, ELSEWHERE)
    with pytest.raises(RecordNotFound):
        await service.jobs.wait(job.id, identity=ELSEWHERE)
    with pytest.raises(RecordNotFound):
        await kinds(service, job.id, identity=ELSEWHERE)
    assert await service.jobs.find(JobFilter(), ELSEWHERE) == []
    assert await service.jobs.find(JobFilter(tenant="there"), ELSEWHERE) == []
    assert [each.id for each in await service.jobs.find(JobFilter(), THERE)] == [job.id]
    assert [each.id for each in await service.jobs.find(JobFilter())] == [job.id]
    assert (await service.jobs.get(job.id)).state == "queued"


async def test_too_many_queued_jobs_are_refused_until_some_are_done(make_service: MakeService) -> None:
    service = await make_service(jobs={"most_queued": 2})
    jobs = await service.jobs.submit_many([ASK, ASK])
    with pytest.raises(Overloaded, match="2 jobs are queued; at most 2") as raised:
        await service.jobs.submit(ASK)
    assert raised.value.retry_after_seconds == 5.0
    service.worker.start()
    for job in jobs:
        await service.jobs.wait(job.id, timeout_seconds=10)
    service.jobs.queued = None  # as it is a moment later
    assert (await service.jobs.submit(ASK)).state == "queued"


async def test_one_tenant_leaves_room_in_the_queue_for_the_others(make_service: MakeService) -> None:
    service = await make_service(jobs={"most_queued": 10, "most_queued_of_tenant": 2})
    await service.jobs.submit_many([ASK, ASK], THERE)
    with pytest.raises(Overloaded, match="2 jobs of tenant 'there' are queued; at most 2"):
        await service.jobs.submit(ASK, THERE)
    assert (await service.jobs.submit(ASK, ELSEWHERE)).state == "queued"


async def test_batch_with_one_wrong_job_stores_none_and_names_it(make_service: MakeService) -> None:
    service = await make_service()
    with pytest.raises(InvalidInput) as raised:
        await service.jobs.submit_many([ASK, JobRequest(workflow="nothing")])
    assert raised.value.field == "jobs.1.workflow"
    assert await service.jobs.find(JobFilter()) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"priority": 101}, "priority"),
        ({"priority": True}, "priority"),
        ({"priority": 1.5}, "priority"),
        ({"deadline": datetime(2030, 1, 1)}, "deadline"),
        ({"not_before": "soon"}, "not_before"),
        ({"metadata": {str(number): "x" for number in range(17)}}, "metadata"),
        ({"metadata": {"a": 7}}, "metadata"),
        ({"metadata": {"a": "x" * 513}}, "metadata"),
        ({"metadata": {"a": "\x00"}}, "metadata"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"idempotency_key": "k" * 256}, "idempotency_key"),
        ({"webhook_url": "http://127.0.0.1/x"}, "webhook_url"),
        ({"limits": {"usd": -1}}, "budget.usd"),
        ({"input": {"text": " "}}, "workflow.steps.0.text"),
        ({"input": {"text": "x" * 70_000}}, "workflow.steps.0.text"),
        ({"input": {"text": "x", "options": {"candidate": "nobody"}}}, "workflow.steps.0.model"),
        ({"input": {"text": "x", "options": {"max_tokens": 99_999}}}, "workflow.steps.0.max_tokens"),
    ],
)
async def test_wrong_request_is_refused_by_its_field(
    change: dict[str, Any], field: str, make_service: MakeService
) -> None:
    service = await make_service()
    with pytest.raises(InvalidInput) as raised:
        await service.jobs.submit(JobRequest(**{"input": {"text": "a"}, **change}))
    assert raised.value.field == field


async def test_erased_answer_is_not_there_any_more(make_service: MakeService) -> None:
    service = await make_service()
    service.worker.start()
    job = await service.jobs.submit(ASK)
    done = await service.jobs.wait(job.id, timeout_seconds=10)
    await service.stores.payloads.erase(str(done.result_payload_id))
    with pytest.raises(RecordNotFound, match="were erased"):
        await service.jobs.result(job.id)
