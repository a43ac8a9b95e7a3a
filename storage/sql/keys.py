"""API keys and tenants in SQL; each change is in the log by the same transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from storage.canonical import Entry, checked_id
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
from storage.sql.batch import Batch
from storage.sql.store import SqlStore
from storage.sql.tables import api_keys, tenants

columns = api_keys.c
KEYS = select(api_keys).order_by(columns.position)
KEY = select(api_keys).where(columns.id == bindparam("key_id"))
OF_DIGEST = select(api_keys).where(columns.digest == bindparam("digest"))
TAKEN = select(api_keys).where(or_(columns.id == bindparam("key_id"), columns.digest == bindparam("digest")))
CHANGE_KEY = update(api_keys).where(columns.id == bindparam("key_id")).values(record=bindparam("new_record"))
TENANTS = select(tenants).order_by(tenants.c.name)
TENANT = select(tenants).where(tenants.c.name == bindparam("tenant_name"))
CHANGE_TENANT = update(tenants).where(tenants.c.name == bindparam("tenant_name")).values(record=bindparam("new_record"))


class SqlKeyStore(SqlStore):
    """Writes are never queued with nobody waiting, so that reads need not wait for the writer."""

    async def put(self, key: ApiKey) -> ApiKey:
        row = key_row(key)
        added = key_from(row)

        def apply(batch: Batch) -> ApiKey:
            """When a broken connection makes the writer try again, the key may be there by this very call."""
            taken = batch.connection.execute(TAKEN, {"key_id": key.id, "digest": key.digest}).mappings().all()
            if batch.is_careful and [key_from(each) for each in taken] == [added]:
                return added
            if taken:
                raise key_is_there(key)
            batch.append(key_created(key))
            batch.connection.execute(insert(api_keys), {"position": batch.next_place(api_keys), **row})
            return added

        return await self.writer.run(apply)

    async def get(self, key_id: str) -> ApiKey:
        checked_id(key_id, "key_id")
        return await self.database.read(lambda connection: _key(connection, key_id))

    async def of_digest(self, digest: str) -> ApiKey | None:
        values = {"digest": checked_id(digest, "digest")}
        row = await self.database.read(
            lambda connection: connection.execute(OF_DIGEST, values).mappings().one_or_none()
        )
        return None if row is None else key_from(row)

    async def keys(self, *, tenant: str | None = None) -> list[ApiKey]:
        query = KEYS if tenant is None else KEYS.where(columns.tenant == checked_id(tenant, "tenant"))
        rows = await self.database.read(lambda connection: connection.execute(query).mappings().all())
        return [key_from(row) for row in rows]

    async def end(self, key_id: str, *, at: datetime) -> ApiKey:
        return await self._change(key_id, lambda key: revoked(key, at), key_revoked)

    async def change_rates(self, key_id: str, rates: RateLimits) -> ApiKey:
        return await self._change(key_id, lambda key: replace(key, rates=rates), key_changed)

    async def put_tenant(self, tenant: Tenant) -> Tenant:
        tenant_row(tenant)

        def apply(batch: Batch) -> Tenant:
            where = {"tenant_name": tenant.name}
            found = batch.connection.execute(TENANT.with_for_update(), where).mappings().one_or_none()
            known = None if found is None else tenant_from(found)
            row = tenant_row(merged(tenant, known))
            wanted = tenant_from(row)
            if wanted == known:
                return known
            batch.append(tenant_changed(wanted))
            if known is None:
                batch.connection.execute(insert(tenants), row)
            else:
                batch.connection.execute(CHANGE_TENANT, {**where, "new_record": row["record"]})
            return wanted

        return await self.writer.run(apply)

    async def tenant(self, name: str) -> Tenant:
        values = {"tenant_name": checked_id(name, "name")}
        row = await self.database.read(lambda connection: connection.execute(TENANT, values).mappings().one_or_none())
        if row is None:
            raise no_tenant(name)
        return tenant_from(row)

    async def tenants(self) -> list[Tenant]:
        rows = await self.database.read(lambda connection: connection.execute(TENANTS).mappings().all())
        return [tenant_from(row) for row in rows]

    async def _change(
        self, key_id: str, change: Callable[[ApiKey], ApiKey], entry_of: Callable[[ApiKey], Entry]
    ) -> ApiKey:
        checked_id(key_id, "key_id")

        def apply(batch: Batch) -> ApiKey:
            known = _key(batch.connection, key_id, is_locked=True)
            row = key_row(change(known))
            wanted = key_from(row)
            if wanted != known:
                batch.append(entry_of(wanted))
                batch.connection.execute(CHANGE_KEY, {"key_id": key_id, "new_record": row["record"]})
            return wanted

        return await self.writer.run(apply)


def _key(connection: Connection, key_id: str, *, is_locked: bool = False) -> ApiKey:
    query = KEY.with_for_update() if is_locked else KEY
    row = connection.execute(query, {"key_id": key_id}).mappings().one_or_none()
    if row is None:
        raise no_key(key_id)
    return key_from(row)
