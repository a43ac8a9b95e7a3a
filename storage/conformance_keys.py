"""What every store of API keys and tenants owes; part of the suite in storage.conformance."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from storage.audit import verify
from storage.errors import InvalidInput, RecordNotFound
from storage.key_records import ApiKey, RateLimits, Tenant
from storage.stores import Stores

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RATES = RateLimits(requests_per_minute=60, tokens_per_minute=2**60, parallel_requests=4)


def a_key(name: str, **changes: Any) -> ApiKey:
    """A key whose digest is made of its name."""
    key = ApiKey(
        name=name, tenant="acme", role="writer", digest=sha256(name.encode()).hexdigest(), created_at=NOON, rates=RATES
    )
    return replace(key, **changes)


async def kinds(stores: Stores) -> list[str]:
    """Of the log's events, in order, which must add up."""
    assert (await verify(stores)).is_whole
    return [event.kind for event in await stores.audit.events()][1:]


class ApiKeyConformance:
    """A key lets in whom it was made for, until it ends."""

    async def test_a_key_is_found_by_id_and_by_its_whole_digest(self, stores: Stores) -> None:
        key = a_key("π \x00", ending="x9Zk", account_id="acme/ci", expires_at=NOON + HOUR, replaces="key_old")
        assert await stores.keys.put(key) == key
        assert await stores.keys.get(key.id) == key
        assert await stores.keys.of_digest(key.digest) == key
        for other in (key.digest[:-1], key.digest + " ", key.digest.upper(), ""):
            assert await stores.keys.of_digest(other) is None
        with pytest.raises(RecordNotFound, match="No API key 'key_x'"):
            await stores.keys.get("key_x")

    async def test_an_id_or_a_digest_is_taken_once(self, stores: Stores) -> None:
        key = await stores.keys.put(a_key("one"))
        for taken in (key, a_key("two", id=key.id), a_key("two", digest=key.digest)):
            with pytest.raises(InvalidInput, match="is there already") as caught:
                await stores.keys.put(taken)
            assert key.digest not in str(caught.value)
        for bad in (a_key("two", digest=""), a_key("two", role="root"), a_key("two", tenant="\x00")):
            with pytest.raises(InvalidInput):
                await stores.keys.put(bad)
        assert await stores.keys.keys() == [key]

    async def test_of_many_keys_of_one_digest_put_at_once_one_is_kept(self, stores: Stores) -> None:
        calls = [stores.keys.put(a_key("same")) for _ in range(10)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(answer, InvalidInput) for answer in answers) == 9
        assert len(await stores.keys.keys()) == 1

    async def test_keys_are_listed_in_order_of_creation_and_by_tenant(self, stores: Stores) -> None:
        keys = [await stores.keys.put(a_key(name, tenant=tenant)) for name, tenant in ("za", "yb", "xa")]
        assert await stores.keys.keys() == keys
        assert await stores.keys.keys(tenant="a") == [keys[0], keys[2]]
        assert await stores.keys.keys(tenant="other") == []

    async def test_an_end_may_only_be_moved_forward(self, stores: Stores) -> None:
        key = await stores.keys.put(a_key("one"))
        assert (await stores.keys.end(key.id, at=NOON + HOUR)).revoked_at == NOON + HOUR
        assert (await stores.keys.end(key.id, at=NOON)).revoked_at == NOON
        assert (await stores.keys.end(key.id, at=NOON + HOUR)).revoked_at == NOON
        assert (await stores.keys.of_digest(key.digest)) == replace(key, revoked_at=NOON)
        assert await kinds(stores) == ["key_created", "key_revoked", "key_revoked"]
        with pytest.raises(RecordNotFound):
            await stores.keys.end("key_x", at=NOON)

    async def test_rates_can_be_changed(self, stores: Stores) -> None:
        key = await stores.keys.put(a_key("one"))
        changed = replace(key, rates=RateLimits(parallel_requests=1))
        for _ in range(2):
            assert await stores.keys.change_rates(key.id, changed.rates) == changed
        assert await stores.keys.get(key.id) == changed
        assert await kinds(stores) == ["key_created", "key_changed"]

    async def test_the_log_helps_nobody_to_come_in(self, stores: Stores) -> None:
        key = await stores.keys.put(a_key("the name", ending="x9Zk"))
        await stores.keys.end(key.id, at=NOON)
        texts = [event.canonical for event in await stores.audit.events()]
        assert key.id in texts[1]
        assert not [text for text in texts if key.digest in text or "x9Zk" in text or "the name" in text]


class TenantConformance:
    """A tenant is one set of records, and its account stays."""

    async def test_a_tenant_is_added_and_changed_and_keeps_its_account(self, stores: Stores) -> None:
        tenant = Tenant(name="acme", account_id="tenant/acme", created_at=NOON)
        assert await stores.keys.put_tenant(tenant) == tenant
        wanted = replace(tenant, account_id="other", created_at=NOON + HOUR, rates=RATES, webhook_secret_version=2)
        changed = replace(tenant, rates=RATES, webhook_secret_version=2)
        for _ in range(2):
            assert await stores.keys.put_tenant(wanted) == changed
        assert await stores.keys.tenant("acme") == changed
        assert await kinds(stores) == ["tenant_changed", "tenant_changed"]

    async def test_tenants_are_listed_by_name(self, stores: Stores) -> None:
        names = ["b", "Z", "ä", "a"]
        for name in names:
            await stores.keys.put_tenant(Tenant(name=name, account_id=name))
        assert [tenant.name for tenant in await stores.keys.tenants()] == sorted(names)
        with pytest.raises(RecordNotFound, match="No tenant 'other'"):
            await stores.keys.tenant("other")


class KeyConformance(ApiKeyConformance, TenantConformance):
    """The whole of it."""
