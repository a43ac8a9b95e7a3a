"""Keys and tenants as people may see them: never the text, never the digest."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from orchestrator.keys.keyring import NewKey
from orchestrator.views import plain
from storage.key_records import ApiKey, Tenant


def key_view(key: ApiKey, *, now: datetime) -> dict[str, Any]:
    """`state`: good, rotated (good until its end), revoked or expired."""
    return {
        "id": key.id,
        "name": key.name,
        "tenant": key.tenant,
        "role": key.role,
        "state": key_state(key, now=now),
        "ending": key.ending,
        "account_id": key.account_id,
        "rates": plain(key.rates),
        "created_at": plain(key.created_at),
        "expires_at": plain(key.expires_at),
        "revoked_at": plain(key.revoked_at),
        "replaces": key.replaces,
    }


def new_key_view(new: NewKey, *, now: datetime) -> dict[str, Any]:
    """With the text, which nobody can tell again."""
    return {**key_view(new.key, now=now), "key": new.text}


def key_state(key: ApiKey, *, now: datetime) -> str:
    if key.is_good(now):
        return "good" if key.revoked_at is None else "rotated"
    return "revoked" if key.revoked_at is not None and key.revoked_at <= now else "expired"


def tenant_view(tenant: Tenant) -> dict[str, Any]:
    return {
        "name": tenant.name,
        "account_id": tenant.account_id,
        "rates": plain(tenant.rates),
        "created_at": plain(tenant.created_at),
    }
