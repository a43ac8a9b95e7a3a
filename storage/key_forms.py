"""API keys and tenants as rows, and back; and what the log says of their changes, which helps nobody to come in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from storage.canonical import Entry, canonical_json, checked_id, entry_from, iso, moment_of, parsed
from storage.errors import InvalidInput, LogCorrupt, RecordNotFound
from storage.key_records import KEY_ROLES, ApiKey, RateLimits, Tenant
from storage.records import new_id, utc_now

KEY_COLUMNS = ("id", "tenant", "digest")
KEY_RECORD = tuple(name for name in ApiKey.__dataclass_fields__ if name not in KEY_COLUMNS)
KEY_TIMES = ("created_at", "expires_at", "revoked_at")
TENANT_RECORD = tuple(name for name in Tenant.__dataclass_fields__ if name != "name")
TENANT_TIMES = ("webhook_rotated_at", "created_at")


def key_row(key: ApiKey) -> dict[str, Any]:
    """Columns' names to values. Raises InvalidInput for a key that could not be read back as it is."""
    if key.role not in KEY_ROLES:
        raise InvalidInput(f"No role {key.role!r}; known: {', '.join(KEY_ROLES)}.", field="role")
    if not key.digest:
        raise InvalidInput(f"Key {key.id!r} has no digest: nobody could come in with it.", field="digest")
    checked_id(key.account_id, "account_id")
    return {
        **{name: checked_id(getattr(key, name), name) for name in KEY_COLUMNS},
        "record": canonical_json({name: getattr(key, name) for name in KEY_RECORD}),
    }


def key_from(row: Mapping[Any, Any]) -> ApiKey:
    """The key that `key_row` wrote. Raises LogCorrupt."""
    return ApiKey(**{name: row[name] for name in KEY_COLUMNS}, **_record(row["record"], KEY_TIMES))


def tenant_row(tenant: Tenant) -> dict[str, Any]:
    """Columns' names to values. Raises InvalidInput for a tenant that could not be read back as it is."""
    checked_id(tenant.account_id, "account_id")
    return {
        "name": checked_id(tenant.name, "name"),
        "record": canonical_json({name: getattr(tenant, name) for name in TENANT_RECORD}),
    }


def tenant_from(row: Mapping[Any, Any]) -> Tenant:
    """The tenant that `tenant_row` wrote. Raises LogCorrupt."""
    return Tenant(name=row["name"], **_record(row["record"], TENANT_TIMES))


def revoked(key: ApiKey, at: datetime) -> ApiKey:
    """The key with this end, or with the one it has when that is earlier."""
    iso(at, field="at")
    return key if key.revoked_at is not None and key.revoked_at <= at else replace(key, revoked_at=at)


def merged(tenant: Tenant, known: Tenant | None) -> Tenant:
    """The tenant as it is to be; one that is there keeps its account and the moment it was made."""
    if known is None:
        return tenant
    return replace(tenant, account_id=known.account_id, created_at=known.created_at)


def key_created(key: ApiKey) -> Entry:
    values = {
        "id": key.id,
        "tenant": key.tenant,
        "role": key.role,
        "account_id": key.account_id,
        "rates": key.rates,
        "expires_at": key.expires_at,
        "replaces": key.replaces,
        "created_at": key.created_at,
    }
    return entry_from("key_created", values)


def key_revoked(key: ApiKey) -> Entry:
    """A key's end may be moved forward, so that one key may have several of these."""
    values = {
        "id": new_id("revocation"),
        "key_id": key.id,
        "tenant": key.tenant,
        "revoked_at": key.revoked_at,
        "changed_at": utc_now(),
    }
    return entry_from("key_revoked", values)


def key_changed(key: ApiKey) -> Entry:
    values = {
        "id": new_id("change"),
        "key_id": key.id,
        "tenant": key.tenant,
        "rates": key.rates,
        "changed_at": utc_now(),
    }
    return entry_from("key_changed", values)


def tenant_changed(tenant: Tenant) -> Entry:
    values = {
        "id": new_id("change"),
        "tenant": tenant.name,
        "account_id": tenant.account_id,
        "rates": tenant.rates,
        "webhook_secret_version": tenant.webhook_secret_version,
        "changed_at": utc_now(),
    }
    return entry_from("tenant_changed", values)


def no_key(key_id: str) -> RecordNotFound:
    return RecordNotFound(f"No API key {key_id!r}.")


def no_tenant(name: str) -> RecordNotFound:
    return RecordNotFound(f"No tenant {name!r}.")


def key_is_there(key: ApiKey) -> InvalidInput:
    """Says nothing of the digest."""
    return InvalidInput(
        f"An API key {key.id!r}, or one of the same text, is there already; make a new one.", field="id"
    )


def _record(text: str, times: tuple[str, ...]) -> dict[str, Any]:
    plain = parsed(text)
    try:
        rates = {name: None if most is None else int(most) for name, most in plain["rates"].items()}
        plain["rates"] = RateLimits(**rates)
        return plain | {name: None if plain[name] is None else moment_of(plain[name]) for name in times}
    except (KeyError, TypeError) as exc:
        raise LogCorrupt(f"A stored key or tenant is none: {exc!r}.") from exc
