"""From a key's text to who comes in: one digest and one look into a short memory; the store is asked now and then."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from orchestrator.errors import NotAuthenticated
from orchestrator.identity import Identity
from orchestrator.keys.key_text import Digester, is_key_text
from storage.errors import RecordNotFound
from storage.key_records import ApiKey, RateLimits
from storage.records import utc_now
from storage.service_stores import KeyStore

REMEMBERED_SECONDS = 2.0  # after which a key is looked up again: so late another process's revocation is heeded
MOST_REMEMBERED = 10_000
WRONG_KEY = "No valid key came with the request: send `Authorization: Bearer KEY`."


@dataclass(frozen=True, kw_only=True, slots=True)
class Visitor:
    """Who comes in, and the rates of key and tenant."""

    identity: Identity
    key_rates: RateLimits = RateLimits()
    tenant_rates: RateLimits = RateLimits()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    key: ApiKey
    visitor: Visitor
    at: float  # when the store was asked, on the authenticator's clock


class Authenticator:
    """Remembers good keys by their whole digest for REMEMBERED_SECONDS."""

    def __init__(
        self,
        keys: KeyStore,
        *,
        secret: bytes,
        admin_key: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._keys = keys
        self._digester = Digester(secret)
        self._admin_digest = None if admin_key is None else self._digester.digest(admin_key)
        self._clock = clock
        self._now = now
        self._digest_to_known: dict[str, _Known] = {}

    async def visitor(self, text: str, *, may_ask: bool = True) -> Visitor:
        """Raises NotAuthenticated. The store is asked about keys that came before, about others only if `may_ask`."""
        digest = self._digester.digest(text)
        if self._admin_digest is not None and hmac.compare_digest(digest, self._admin_digest):
            return Visitor(identity=Identity(principal="admin"))
        if not is_key_text(text):
            raise NotAuthenticated(WRONG_KEY)
        known = self._digest_to_known.get(digest)
        if known is None and not may_ask:
            raise NotAuthenticated(WRONG_KEY)
        if known is None or self._clock() - known.at >= REMEMBERED_SECONDS:
            known = await self._looked_up(digest)
        _require_good(known.key, self._now())
        return known.visitor

    def forget(self) -> None:
        """The next time every key is looked up: something was revoked or changed here."""
        self._digest_to_known.clear()

    async def _looked_up(self, digest: str) -> _Known:
        key = await self._keys.of_digest(digest)
        if key is None or not hmac.compare_digest(key.digest, digest):
            self._digest_to_known.pop(digest, None)
            raise NotAuthenticated(WRONG_KEY)
        identity = Identity(
            tenant=key.tenant, principal=key.name, role=key.role, account_id=key.account_id, key_id=key.id
        )
        visitor = Visitor(identity=identity, key_rates=key.rates, tenant_rates=await self._rates_of(key.tenant))
        known = _Known(key=key, visitor=visitor, at=self._clock())
        if len(self._digest_to_known) >= MOST_REMEMBERED:
            self._digest_to_known.pop(next(iter(self._digest_to_known)))  # the one that was first
        self._digest_to_known[digest] = known
        return known

    async def _rates_of(self, tenant: str) -> RateLimits:
        try:
            return (await self._keys.tenant(tenant)).rates
        except RecordNotFound:
            return RateLimits()


def _require_good(key: ApiKey, now: datetime) -> None:
    """Raises NotAuthenticated, which tells whoever has the text what became of the key."""
    if key.is_good(now):
        return
    is_revoked = key.revoked_at is not None and now >= key.revoked_at
    raise NotAuthenticated(f"The key {key.id!r} {'was revoked' if is_revoked else 'has expired'}.")
