"""Signing secrets: derived, apart for each tenant, and two good ones after a rotation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from orchestrator.webhooks.secrets import SigningSecrets
from storage.key_records import Tenant
from storage.registry import open_stores
from storage.stores import Stores
from storage.webhook_records import Delivery


def service_secret() -> bytes:
    return b"s" * 48


DELIVERY = Delivery(tenant="acme", job_id="job_1", url="https://x.example", kind="job.failed", body='{"é": 1}')


@pytest.fixture
async def stores() -> AsyncIterator[Stores]:
    opened = await open_stores("memory:")
    await opened.keys.put_tenant(Tenant(name="acme", account_id="acme-money"))
    yield opened
    await opened.close()


def verifies(secret: str, headers: dict[str, str]) -> bool:
    try:
        Webhook(secret).verify(DELIVERY.body, headers)
    except WebhookVerificationError:
        return False
    return True


async def test_secret_is_the_same_each_time_and_another_for_each_tenant_and_service(stores: Stores) -> None:
    now = datetime.now(UTC)
    one = await SigningSecrets(stores.keys, service_secret).of("acme", now=now)
    assert one == await SigningSecrets(stores.keys, service_secret).of("acme", now=now)
    assert one.text.startswith("whsec_")
    assert one.before is None
    others = [
        await SigningSecrets(stores.keys, service_secret).of("umbrella", now=now),
        await SigningSecrets(stores.keys, lambda: b"t" * 48).of("acme", now=now),
    ]
    assert len({one.text, *(each.text for each in others)}) == 3


async def test_message_is_signed_by_the_rules_of_standard_webhooks(stores: Stores) -> None:
    now = datetime.now(UTC)  # the library compares with the clock
    secrets = SigningSecrets(stores.keys, service_secret)
    headers = await secrets.headers(DELIVERY, now=now)
    assert headers["webhook-id"] == DELIVERY.id
    assert verifies((await secrets.of("acme", now=now)).text, headers)
    assert not verifies((await secrets.of("umbrella", now=now)).text, headers)
    assert not verifies((await secrets.of("acme", now=now)).text, headers | {"webhook-id": "msg_other"})


async def test_after_a_rotation_both_secrets_are_good_for_a_day(stores: Stores) -> None:
    rotated_at = datetime.now(UTC) - timedelta(hours=23, minutes=59)
    secrets = SigningSecrets(stores.keys, service_secret)
    old = await secrets.of("acme", now=rotated_at)
    new = await secrets.rotate("acme", now=rotated_at)
    assert (new.version, new.before) == (2, old.text)
    headers = await secrets.headers(DELIVERY, now=rotated_at + timedelta(hours=23, minutes=59))
    assert len(headers["webhook-signature"].split()) == 2
    assert verifies(old.text, headers)
    assert verifies(new.text, headers)
    day_after = await secrets.of("acme", now=rotated_at + timedelta(hours=24))
    assert (day_after.text, day_after.before) == (new.text, None)


async def test_rotation_leaves_the_tenants_account_and_adds_one_who_was_not_written_down(stores: Stores) -> None:
    secrets = SigningSecrets(stores.keys, service_secret)
    await secrets.rotate("acme", now=datetime.now(UTC))
    await secrets.rotate("default", now=datetime.now(UTC))
    assert (await stores.keys.tenant("acme")).account_id == "acme-money"
    assert (await stores.keys.tenant("default")).webhook_secret_version == 2


async def test_second_rotation_ends_the_oldest_secret_at_once(stores: Stores) -> None:
    now = datetime.now(UTC)
    secrets = SigningSecrets(stores.keys, service_secret)
    leaked = await secrets.of("acme", now=now)
    await secrets.rotate("acme", now=now)
    await secrets.rotate("acme", now=now)
    assert not verifies(leaked.text, await secrets.headers(DELIVERY, now=now))
