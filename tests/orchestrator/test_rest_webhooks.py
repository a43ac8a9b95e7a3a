"""Webhooks over HTTP: a job's end is told, deliveries are listed and sent again, secrets are rotated."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from orchestrator.service import Service
from tests.conftest import MakeService
from tests.orchestrator.doubles import until
from tests.orchestrator.rest_app import ADMIN_KEY, MakeHttp
from tests.orchestrator.webhooks.receiver import Receiver, Said

LOOPBACK = "127.0.0.1"
SETTINGS = {"server": {"secret": "s" * 48}, "webhooks": {"allowed_private_hosts": [LOOPBACK]}}


@pytest.fixture
async def service(make_service: MakeService) -> Service:
    return await make_service(**SETTINGS)


@pytest.fixture
async def http(make_http: MakeHttp, service: Service) -> httpx.AsyncClient:
    return await make_http(service=service)


async def delivered(http: httpx.AsyncClient, job_id: str, state: str = "delivered") -> dict[str, object]:
    """The job's delivery, once it is in this state."""
    found: list[dict[str, object]] = []

    async def is_there() -> bool:
        answer = await http.get("/v1/webhook-deliveries", params={"job_id": job_id, "state": state})
        found[:] = answer.json()["deliveries"]
        return bool(found)

    await until(is_there)
    return found[0]


async def test_end_of_a_job_is_told_to_its_url_with_a_good_signature(http: httpx.AsyncClient, service: Service) -> None:
    secret = (await http.get("/v1/webhook-secret")).json()["secret"]
    async with Receiver() as receiver:
        body = {"input": {"text": "France?"}, "metadata": {"ticket": "42"}, "webhook_url": receiver.url(LOOPBACK)}
        job = (await http.post("/v1/jobs", json=body)).json()
        service.worker.start()
        service.webhooks.sender.start()
        delivery = await delivered(http, job["id"])
    (heard,) = receiver.heard
    told = Webhook(secret).verify(heard.body, heard.headers)
    assert told["type"] == delivery["kind"] == "job.succeeded"
    assert told["data"]["job_id"] == job["id"]
    assert told["data"]["metadata"] == {"ticket": "42"}
    assert b"France" not in heard.body
    assert b"Paris" not in heard.body
    assert heard.headers["webhook-id"] == delivery["id"]
    assert (delivery["tries"], delivery["last_status"]) == (1, 200)
    assert "body" not in delivery


async def test_cancelled_job_is_told_too(http: httpx.AsyncClient, service: Service) -> None:
    async with Receiver() as receiver:
        body = {"input": {"text": "France?"}, "webhook_url": receiver.url(LOOPBACK)}
        job = (await http.post("/v1/jobs", json=body)).json()
        await http.post(f"/v1/jobs/{job['id']}/cancel")
        service.webhooks.sender.start()
        await delivered(http, job["id"])
    assert json.loads(receiver.heard[0].body)["type"] == "job.cancelled"


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_job_that_ends_here_wakes_the_sender(
    http: httpx.AsyncClient, service: Service, is_cancelled: bool
) -> None:
    sender = service.webhooks.sender
    sender._poll_seconds = 3600.0
    sender.start()

    async def sleeps() -> bool:
        return bool(sender._nudged._waiters)

    await until(sleeps)
    async with Receiver() as receiver:
        body = {"input": {"text": "France?"}, "webhook_url": receiver.url(LOOPBACK)}
        job = (await http.post("/v1/jobs", json=body)).json()
        if is_cancelled:
            await http.post(f"/v1/jobs/{job['id']}/cancel")
        else:
            service.worker.start()
        await delivered(http, job["id"])


async def test_delivery_that_was_given_up_is_sent_again_on_demand(http: httpx.AsyncClient, service: Service) -> None:
    async with Receiver(Said(status=410), Said()) as receiver:
        body = {"input": {"text": "France?"}, "webhook_url": receiver.url(LOOPBACK)}
        job = (await http.post("/v1/jobs", json=body)).json()
        await http.post(f"/v1/jobs/{job['id']}/cancel")
        service.webhooks.sender.start()
        first = await delivered(http, job["id"], "given_up")
        again = await http.post(f"/v1/webhook-deliveries/{first['id']}/redeliver")
        assert (again.status_code, again.json()["state"]) == (200, "pending")
        await delivered(http, job["id"])
    assert [heard.headers["webhook-id"] for heard in receiver.heard] == [first["id"]] * 2


async def test_secret_is_rotated_and_never_kept_by_others(http: httpx.AsyncClient) -> None:
    before = (await http.get("/v1/webhook-secret")).json()
    assert (before["version"], before["previous_secret"]) == (1, None)
    rotated = await http.post("/v1/webhook-secret/rotate")
    assert rotated.headers["cache-control"] == "no-store"
    after = rotated.json()
    assert (after["version"], after["previous_secret"]) == (2, before["secret"])
    assert after["secret"] != before["secret"]
    assert (await http.get("/v1/webhook-secret")).json() == after


async def test_secret_and_texts_are_not_in_the_store(http: httpx.AsyncClient, service: Service) -> None:
    secret = (await http.post("/v1/webhook-secret/rotate")).json()["secret"]
    tenant = await service.stores.keys.tenant("default")
    assert tenant.webhook_secret_version == 2
    assert secret not in repr(await service.stores.keys.tenants())
    assert secret not in repr(vars(service.stores.keys))


async def test_deliveries_are_paged_and_unknown_filters_refused(http: httpx.AsyncClient) -> None:
    made = []
    for _ in range(5):
        body = {"input": {"text": "x"}, "webhook_url": "https://hooks.example.com/in"}
        job = (await http.post("/v1/jobs", json=body)).json()
        await http.post(f"/v1/jobs/{job['id']}/cancel")
        made.append(job["id"])
    first = (await http.get("/v1/webhook-deliveries?limit=3")).json()
    rest = (await http.get(f"/v1/webhook-deliveries?limit=3&cursor={first['next_cursor']}")).json()
    assert [each["job_id"] for each in first["deliveries"] + rest["deliveries"]] == list(reversed(made))
    assert rest["next_cursor"] is None
    for query in ("colour=red", "state=lost", "cursor=x", "limit=501"):
        assert (await http.get(f"/v1/webhook-deliveries?{query}")).status_code == 422


async def test_tenants_see_their_own_deliveries_and_secrets_only(make_http: MakeHttp, service: Service) -> None:
    http = await make_http(service=service, key=ADMIN_KEY)
    admin = {"authorization": f"Bearer {ADMIN_KEY}"}
    keys: dict[str, dict[str, str]] = {}
    for tenant in ("acme", "umbrella"):
        await http.post("/v1/tenants", json={"name": tenant}, headers=admin)
        for role in ("operator", "writer"):
            made = await http.post("/v1/keys", json={"name": role, "tenant": tenant, "role": role}, headers=admin)
            keys[f"{tenant} {role}"] = {"authorization": f"Bearer {made.json()['key']}"}
    body = {"input": {"text": "x"}, "webhook_url": "https://hooks.example.com/in"}
    job = (await http.post("/v1/jobs", json=body, headers=keys["acme writer"])).json()
    await http.post(f"/v1/jobs/{job['id']}/cancel", headers=keys["acme writer"])
    [own] = (await http.get("/v1/webhook-deliveries", headers=keys["acme writer"])).json()["deliveries"]
    assert (await http.get("/v1/webhook-deliveries", headers=keys["umbrella writer"])).json()["deliveries"] == []
    foreign = f"/v1/webhook-deliveries/{own['id']}/redeliver"
    assert (await http.post(foreign, headers=keys["umbrella writer"])).status_code == 404
    assert (await http.get("/v1/webhook-secret", headers=keys["acme writer"])).status_code == 403
    shown = await asyncio.gather(
        *(http.get("/v1/webhook-secret", headers=keys[f"{name} operator"]) for name in ("acme", "umbrella"))
    )
    assert shown[0].json()["secret"] != shown[1].json()["secret"]
