"""The page of jobs and the page of one: states, events as they come, cancelling, and nobody else's."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from orchestrator.jobs.request import JobRequest
from orchestrator.service import Service
from storage.webhook_records import Delivery
from tests.conftest import MakeService, fails
from tests.orchestrator.console.looking import HOSTILE, OWN, assert_inert, page_of
from tests.orchestrator.rest_app import MakeHttp
from tests.orchestrator.rest_keys import RULES, holder

SERVER = {"secret": "s" * 48}


@pytest.fixture
async def service(make_service: MakeService) -> Service:
    """Jobs wait in its queue until a test starts its worker."""
    return await make_service(server=SERVER)


@pytest.fixture
async def http(make_http: MakeHttp, service: Service) -> httpx.AsyncClient:
    return await make_http(service=service)


async def submitted(service: Service, **more: Any) -> str:
    return (await service.jobs.submit(JobRequest(input={"text": "What is the capital of France?"}, **more))).id


async def ended(service: Service, job_id: str) -> None:
    service.worker.start()
    assert (await service.jobs.wait(job_id, timeout_seconds=20)).has_ended


async def test_without_jobs_the_page_says_how_to_send_one(http: httpx.AsyncClient) -> None:
    assert "antroute jobs submit" in await page_of(http, "/console/jobs")


async def test_jobs_are_listed_by_state_and_workflow_page_by_page(
    service: Service, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.rest.console.pages.jobs.JOBS_A_PAGE", 2)
    ids = [await submitted(service) for _ in range(3)]
    await service.jobs.cancel(ids[0])
    first = await page_of(http, "/console/jobs")
    assert ids[2] in first and ids[1] in first and ids[0] not in first
    older = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert ids[0] in await page_of(http, older)
    cancelled = await page_of(http, "/console/jobs?state=cancelled")
    assert ids[0] in cancelled and ids[1] not in cancelled
    assert ids[0] not in await page_of(http, "/console/jobs?workflow=review")
    assert (await http.get("/console/jobs?state=lost")).status_code == 422


async def test_a_job_that_succeeded_shows_its_answer_its_events_and_its_decisions(
    service: Service, http: httpx.AsyncClient
) -> None:
    job_id = await submitted(service, metadata={HOSTILE[:20]: HOSTILE})
    await ended(service, job_id)
    text = await page_of(http, f"/console/jobs/{job_id}")
    job = await service.jobs.get(job_id)
    assert "Paris" in text and f"run={job.run_id}" in text and "hx-get" not in text
    assert "step finished" in text and "Cancel the job" not in text


async def test_a_failed_job_says_why(make_http: MakeHttp, make_service: MakeService) -> None:
    service = await make_service(server=SERVER, small=fails, large=fails)
    job_id = await submitted(service)
    await ended(service, job_id)
    text = await page_of(await make_http(service=service), f"/console/jobs/{job_id}")
    assert "model_unavailable" in text and "Why it failed" in text


async def test_events_are_followed_until_the_job_has_ended(service: Service, http: httpx.AsyncClient) -> None:
    job_id = await submitted(service)
    whole = await page_of(http, f"/console/jobs/{job_id}")
    address = whole.split('hx-get="')[1].split('"')[0]
    part = await http.get(address, headers={"hx-request": "true"})
    assert part.status_code == 200 and "<!doctype" not in part.text and 'hx-trigger="load delay:1s"' in part.text
    await ended(service, job_id)
    last = await http.get(address, headers={"hx-request": "true"})
    assert (last.status_code, last.headers["hx-refresh"]) == (204, "true")


async def test_many_events_are_paged(
    service: Service, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.rest.console.pages.jobs.EVENTS_A_PAGE", 2)
    job_id = await submitted(service)
    await ended(service, job_id)
    first = await page_of(http, f"/console/jobs/{job_id}")
    assert 'class="number">2</td>' in first and 'class="number">3</td>' not in first
    assert 'class="number">3</td>' in await page_of(http, first.split('rel="next" href="')[1].split('"')[0])


async def test_a_queued_job_is_cancelled_by_a_form_of_the_page(service: Service, http: httpx.AsyncClient) -> None:
    job_id = await submitted(service)
    assert "Cancel the job" in await page_of(http, f"/console/jobs/{job_id}")
    sent = await http.post(f"/console/jobs/{job_id}/cancel", headers=OWN)
    assert (sent.status_code, sent.headers["location"]) == (303, f"/console/jobs/{job_id}?said=job_cancel")
    assert "The job was told to stop." in await page_of(http, sent.headers["location"])
    assert (await service.jobs.get(job_id)).state == "cancelled"


async def test_no_address_puts_words_on_the_page(service: Service, http: httpx.AsyncClient) -> None:
    job_id = await submitted(service)
    assert "Send%20us%20money" not in await page_of(http, f"/console/jobs/{job_id}?said=Send%20us%20money")
    assert "Send us money" not in await page_of(http, f"/console/jobs/{job_id}?said=Send%20us%20money")


async def test_what_became_of_its_webhook_is_shown_and_sent_again(
    service: Service, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await submitted(service, webhook_url="https://hooks.example.org/a?b=<b>")
    delivery = Delivery(
        tenant="default", job_id=job_id, url="https://hooks.example.org/", kind="job.succeeded", body="{}",
        state="given_up", tries=9, last_status=500, last_error=HOSTILE,
    )  # fmt: skip
    await service.stores.deliveries.put(delivery)
    text = await page_of(http, f"/console/jobs/{job_id}")
    assert "HTTP 500" in text and "given up" in text
    sent = await http.post(f"/console/jobs/{job_id}/deliveries/{delivery.id}/again", headers=OWN)
    assert sent.headers["location"].endswith("said=delivery_again")
    assert (await service.stores.deliveries.get(delivery.id)).state == "pending"


async def test_a_reader_looks_and_changes_nothing(make_http: MakeHttp, service: Service) -> None:
    http, reader = await make_http(service=service, rules=RULES), await holder(service, role="reader")
    job_id = await submitted(service)
    text = await page_of(http, f"/console/jobs/{job_id}", headers=reader.headers)
    assert "Cancel the job" not in text
    refused = await http.post(f"/console/jobs/{job_id}/cancel", headers={**reader.headers, **OWN})
    assert refused.status_code == 403
    assert (await service.jobs.get(job_id)).state == "queued"


async def test_another_tenants_jobs_are_as_if_they_were_not_there(make_http: MakeHttp, service: Service) -> None:
    http = await make_http(service=service, rules=RULES)
    stranger = await holder(service, tenant="umbrella", role="writer")
    job_id = await submitted(service)
    listed = await page_of(http, "/console/jobs", headers=stranger.headers)
    assert job_id not in listed and "Counts are of all" not in listed
    for method, address in (
        ("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/deliveries/msg_1/again")
    ):  # fmt: skip
        answer = await http.request(method, f"/console/jobs/{job_id}{address}", headers={**stranger.headers, **OWN})
        assert answer.status_code == 404, address
        assert_inert(answer.text)
    assert (await service.jobs.get(job_id)).state == "queued"
