"""What callers may do with webhooks: look at deliveries, send one again, see and rotate the signing secret."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING

from orchestrator.identity import LOCAL, Identity
from orchestrator.secret import service_secret
from orchestrator.webhooks.posting import Poster
from orchestrator.webhooks.secrets import SigningSecret, SigningSecrets
from orchestrator.webhooks.sender import WebhookSender
from orchestrator.webhooks.targets import checked_url
from storage.records import utc_now
from storage.stores import Stores
from storage.webhook_records import Delivery, DeliveryState

if TYPE_CHECKING:
    from orchestrator.settings import Settings


@dataclass(kw_only=True)
class Webhooks:
    """Each caller sees the deliveries and the secret of its own tenant."""

    stores: Stores
    secrets: SigningSecrets
    sender: WebhookSender
    allowed_private_hosts: tuple[str, ...] = ()
    now: Callable[[], datetime] = utc_now

    def check_url(self, url: str) -> None:
        """Raises TargetRefused, an InvalidInput, for a URL that will never be called."""
        checked_url(url, allowed_private_hosts=self.allowed_private_hosts)

    async def find(
        self,
        identity: Identity = LOCAL,
        *,
        job_id: str | None = None,
        state: DeliveryState | None = None,
        before_position: int | None = None,
        limit: int = 50,
    ) -> list[Delivery]:
        """Newest first."""
        return await self.stores.deliveries.find(
            tenant=identity.sees, job_id=job_id, state=state, before_position=before_position, limit=limit
        )

    async def redeliver(self, delivery_id: str, identity: Identity = LOCAL) -> Delivery:
        """Tries it again from now on, with the same `webhook-id`, as often as a new one. Raises RecordNotFound."""
        delivery = await self.stores.deliveries.get(delivery_id)
        identity.require_own(delivery.tenant, f"webhook delivery {delivery_id!r}")
        again = replace(delivery, state="pending", tries=0, next_try_at=self.now(), delivered_at=None)
        put = await self.stores.deliveries.put(again)
        self.sender.nudge()
        return put

    async def secret(self, identity: Identity = LOCAL) -> SigningSecret:
        """Of the caller's own tenant."""
        return await self.secrets.of(identity.tenant, now=self.now())

    async def rotate(self, identity: Identity = LOCAL) -> SigningSecret:
        """A new secret for the caller's own tenant; the old one is good for another 24 hours."""
        return await self.secrets.rotate(identity.tenant, now=self.now())


def make_webhooks(settings: Settings, stores: Stores) -> Webhooks:
    """Not started. Nothing is opened, and no secret made, before there is something to sign."""
    secrets = SigningSecrets(stores.keys, cache(partial(service_secret, settings)))
    hosts = settings.webhooks.allowed_private_hosts
    poster = Poster(timeout_seconds=settings.webhooks.timeout_seconds, allowed_private_hosts=hosts)
    sender = WebhookSender(stores.deliveries, secrets, poster, parallel=settings.webhooks.parallel)
    return Webhooks(stores=stores, secrets=secrets, sender=sender, allowed_private_hosts=hosts)
