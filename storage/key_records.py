"""API keys and tenants. A key's text is shown once and never stored; here is its keyed digest."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from storage.records import new_id, utc_now

KeyRole = Literal["admin", "operator", "writer", "reader"]
KEY_ROLES: tuple[KeyRole, ...] = get_args(KeyRole)


@dataclass(frozen=True, kw_only=True)
class RateLimits:
    """The most that may be asked; None: no limit of its own."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    parallel_requests: int | None = None


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """Who may come in, as whom, and how much of what."""

    name: str
    tenant: str
    role: KeyRole
    digest: str  # keyed: without the service's secret nobody can try texts against it
    ending: str = ""  # the last characters of the text, for people who compare
    account_id: str = "default"  # pays for what is asked with it; a child of its tenant's account
    rates: RateLimits = RateLimits()
    id: str = field(default_factory=lambda: new_id("key"))
    created_at: datetime = field(default_factory=utc_now)
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    replaces: str | None = None  # the key that it was rotated from

    def is_good(self, now: datetime) -> bool:
        """Whether it lets anybody in; one that was rotated does so until its end comes."""
        return all(end is None or now < end for end in (self.revoked_at, self.expires_at))


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """One who has keys, jobs and traces that no other tenant can see."""

    name: str
    account_id: str  # the account above those of its keys
    rates: RateLimits = RateLimits()  # of all of its keys together
    webhook_secret_version: int = 1
    webhook_rotated_at: datetime | None = None
    created_at: datetime = field(default_factory=utc_now)
