"""What messages are signed with: derived from the service's secret, a tenant and a version; so none is ever stored."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.secret import derived_key
from storage.errors import RecordNotFound
from storage.key_records import Tenant
from storage.service_stores import KeyStore
from storage.webhook_records import Delivery

PREFIX = "whsec_"
OVERLAP = timedelta(hours=24)  # in which the secret before the rotation signs too


@dataclass(frozen=True, kw_only=True)
class SigningSecret:
    """A tenant's secret, to be kept by whoever receives its messages."""

    tenant: str
    version: int
    text: str  # `whsec_…`
    before: str | None = None  # the one before, while it is still good
    before_until: datetime | None = None


class SigningSecrets:
    """The secrets of all tenants."""

    def __init__(self, keys: KeyStore, service_secret: Callable[[], bytes]) -> None:
        """`service_secret` is asked when something is to be signed or shown, and not before."""
        self._keys = keys
        self._service_secret = service_secret

    async def of(self, tenant: str, *, now: datetime) -> SigningSecret:
        return self._secret(await self._tenant(tenant), now)

    async def rotate(self, tenant: str, *, now: datetime) -> SigningSecret:
        """A new one; the one that it takes the place of is good for another 24 hours, older ones no more."""
        known = await self._tenant(tenant)
        changed = replace(known, webhook_secret_version=known.webhook_secret_version + 1, webhook_rotated_at=now)
        return self._secret(await self._keys.put_tenant(changed), now)

    async def headers(self, delivery: Delivery, *, now: datetime) -> dict[str, str]:
        """Standard Webhooks' three headers; two signatures while two secrets are good."""
        from standardwebhooks.webhooks import Webhook

        secret = await self.of(delivery.tenant, now=now)
        texts = [text for text in (secret.text, secret.before) if text is not None]
        signatures = [Webhook(text).sign(delivery.id, now, delivery.body) for text in texts]
        return {
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }

    async def _tenant(self, name: str) -> Tenant:
        """One that nobody has written down yet has its first secret."""
        try:
            return await self._keys.tenant(name)
        except RecordNotFound:
            return Tenant(name=name, account_id=name)

    def _secret(self, tenant: Tenant, now: datetime) -> SigningSecret:
        version, rotated_at = tenant.webhook_secret_version, tenant.webhook_rotated_at
        until = None if rotated_at is None else rotated_at + OVERLAP
        has_two = until is not None and version > 1 and now < until
        return SigningSecret(
            tenant=tenant.name,
            version=version,
            text=self._text(tenant.name, version),
            before=self._text(tenant.name, version - 1) if has_two else None,
            before_until=until if has_two else None,
        )

    def _text(self, tenant: str, version: int) -> str:
        key = derived_key(self._service_secret(), "webhook", tenant, str(version))
        return PREFIX + base64.b64encode(key).decode()
