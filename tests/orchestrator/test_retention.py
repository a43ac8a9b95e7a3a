"""Old texts are swept away in the background; young ones, and those of unfinished jobs, stay."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

import orchestrator.retention as retention_module
from orchestrator.jobs.request import JobRequest
from orchestrator.retention import Retention
from orchestrator.service import Service
from storage.audit import verify
from storage.records import utc_now
from tests.conftest import MakeService
from tests.orchestrator.doubles import until

QUESTION = "What is the capital of France?"


class Calendar:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.days = 0.0

    def __call__(self) -> datetime:
        return utc_now() + timedelta(days=self.days)


def made(service: Service, calendar: Calendar, *, days: float | None = 90) -> Retention:
    return Retention(service.stores, payload_days=days, now=calendar, pause_seconds=0.0)


async def test_only_what_is_old_enough_goes_and_nothing_goes_twice(make_service: MakeService) -> None:
    service, calendar = await make_service(), Calendar()
    runs = [await service.run(QUESTION) for _ in range(3)]
    retention = made(service, calendar)
    assert await retention.sweep() == 0
    calendar.days = 91
    assert await retention.sweep() == 6
    assert [(await service.trace(run.run_id)).query_text for run in runs] == [None] * 3
    assert await retention.sweep() == 0
    assert await made(service, calendar).sweep() == 0  # as after a restart
    late = await service.run(QUESTION)
    calendar.days = 0
    assert await retention.sweep() == 0
    assert (await service.trace(late.run_id)).query_text == QUESTION
    assert (await verify(service.stores)).is_whole


async def test_a_sweep_goes_over_more_than_one_slice(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "SLICE_EVENTS", 2)
    service, calendar = await make_service(), Calendar()
    for _ in range(4):
        await service.run(QUESTION)
    calendar.days = 91
    assert await made(service, calendar).sweep() == 8


async def test_without_a_setting_all_texts_are_kept(make_service: MakeService) -> None:
    service, calendar = await make_service(), Calendar()
    run = await service.run(QUESTION)
    calendar.days = 10_000
    assert await made(service, calendar, days=None).sweep() == 0
    assert (await service.trace(run.run_id)).query_text == QUESTION


async def test_a_job_is_looked_at_again_once_it_has_ended(make_service: MakeService) -> None:
    service, calendar = await make_service(), Calendar()
    job = await service.jobs.submit(JobRequest(input={"text": QUESTION}))
    calendar.days = 91
    retention = made(service, calendar)
    assert await retention.sweep() == 0
    service.worker.start()
    assert (await service.jobs.wait(job.id, timeout_seconds=20)).state == "succeeded"
    assert await retention.sweep() == 4
    assert (await service.stores.payloads.get(job.payload_id)).text is None


async def test_a_started_one_sweeps_by_itself_and_stops(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "FIRST_SECONDS", 0.0)
    service, calendar = await make_service(), Calendar()
    run = await service.run(QUESTION)
    calendar.days = 91
    retention = made(service, calendar)
    retention.start()
    await gone(service, run.run_id)
    await retention.stop()


async def test_a_service_sweeps_as_its_setting_says(make_service: MakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_module, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(retention_module, "SWEEP_SECONDS", 0.001)
    service = await make_service(retention={"payload_days": 1e-9})
    run = await service.run(QUESTION)
    await gone(service, run.run_id)


async def gone(service: Service, run_id: str) -> None:
    async def is_gone() -> bool:
        return (await service.trace(run_id)).query_text is None

    await until(is_gone)
