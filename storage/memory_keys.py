"""API keys and tenants in dictionaries: the double for tests, with every promise of the databases but durability."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from storage.canonical import checked_id
from storage.key_forms import (
    key_changed,
    key_created,
    key_from,
    key_is_there,
    key_revoked,
    key_row,
    merged,
    no_key,
    no_tenant,
    revoked,
    tenant_changed,
    tenant_from,
    tenant_row,
)
from storage.key_records import ApiKey, RateLimits, Tenant
from storage.memory_log import MemoryStore


class MemoryKeyStore(MemoryStore):
    async def put(self, key: ApiKey) -> ApiKey:
        self.log.ensure_open()
        row = key_row(key)
        if key.id in self.log.keys or await self.of_digest(key.digest) is not None:
            raise key_is_there(key)
        self.log.append(key_created(key))
        self.log.keys[key.id] = row
        return key_from(row)

    async def get(self, key_id: str) -> ApiKey:
        row = self.log.keys.get(checked_id(key_id, "key_id"))
        if row is None:
            raise no_key(key_id)
        return key_from(row)

    async def of_digest(self, digest: str) -> ApiKey | None:
        checked_id(digest, "digest")
        return next((key_from(row) for row in self.log.keys.values() if row["digest"] == digest), None)

    async def keys(self, *, tenant: str | None = None) -> list[ApiKey]:
        return [key_from(row) for row in self.log.keys.values() if tenant in (None, row["tenant"])]

    async def end(self, key_id: str, *, at: datetime) -> ApiKey:
        self.log.ensure_open()
        known = await self.get(key_id)
        key = revoked(known, at)
        if key != known:
            self.log.append(key_revoked(key))
            self.log.keys[key_id] = key_row(key)
        return key

    async def change_rates(self, key_id: str, rates: RateLimits) -> ApiKey:
        self.log.ensure_open()
        known = await self.get(key_id)
        key = replace(known, rates=rates)
        if key != known:
            self.log.append(key_changed(key))
            self.log.keys[key_id] = key_row(key)
        return key

    async def put_tenant(self, tenant: Tenant) -> Tenant:
        self.log.ensure_open()
        tenant_row(tenant)
        row = self.log.tenants.get(tenant.name)
        known = None if row is None else tenant_from(row)
        wanted = merged(tenant, known)
        if wanted != known:
            self.log.append(tenant_changed(wanted))
            self.log.tenants[tenant.name] = tenant_row(wanted)
        return tenant_from(self.log.tenants[tenant.name])

    async def tenant(self, name: str) -> Tenant:
        row = self.log.tenants.get(checked_id(name, "name"))
        if row is None:
            raise no_tenant(name)
        return tenant_from(row)

    async def tenants(self) -> list[Tenant]:
        return [tenant_from(self.log.tenants[name]) for name in sorted(self.log.tenants)]
