"""Webhook messages in a dictionary: the double for tests, with every promise of the databases but durability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from storage.canonical import checked_id, iso
from storage.errors import RecordNotFound
from storage.job_moves import checked_lease
from storage.memory_log import MemoryLog, MemoryStore
from storage.webhook_forms import changed, delivery_from, delivery_row
from storage.webhook_records import NOBODY, Delivery, DeliveryState, Shares


class MemoryDeliveryStore(MemoryStore):
    async def due(
        self,
        *,
        now: datetime,
        most: int,
        lease_seconds: float,
        share: int | None = None,
        busy: Mapping[str, int] = NOBODY,
    ) -> list[Delivery]:
        self.log.ensure_open()
        moment, until = iso(now, field="now"), iso(now + checked_lease(lease_seconds))
        rows = [
            row for row in self.log.deliveries.values() if row["state"] == "pending" and row["next_try_at"] <= moment
        ]
        rows.sort(key=lambda row: (row["next_try_at"], row["position"]))
        shares = Shares(share, busy)
        taken = [row for row in rows if shares.take(row["tenant"])][: max(most, 0)]
        for row in taken:
            row["next_try_at"] = until
        return [delivery_from(row) for row in taken]

    async def put(self, delivery: Delivery) -> Delivery:
        self.log.ensure_open()
        known = self.log.deliveries.get(checked_id(delivery.id, "id"))
        if known is None:
            return keep_delivery(self.log, delivery)
        self.log.deliveries[delivery.id] = delivery_row(changed(delivery_from(known), delivery))
        return await self.get(delivery.id)

    async def get(self, delivery_id: str) -> Delivery:
        row = self.log.deliveries.get(checked_id(delivery_id, "delivery_id"))
        if row is None:
            raise RecordNotFound(f"No webhook delivery {delivery_id!r}.")
        return delivery_from(row)

    async def find(
        self,
        *,
        tenant: str | None = None,
        job_id: str | None = None,
        state: DeliveryState | None = None,
        before_position: int | None = None,
        limit: int = 50,
    ) -> list[Delivery]:
        found = [
            delivery_from(row)
            for row in reversed(self.log.deliveries.values())
            if tenant in (None, row["tenant"])
            and job_id in (None, row["job_id"])
            and state in (None, row["state"])
            and (before_position is None or row["position"] < before_position)
        ]
        return found[: max(limit, 0)]


def keep_delivery(log: MemoryLog, delivery: Delivery) -> Delivery:
    """The delivery, with its place, after all others."""
    placed = replace(delivery, position=len(log.deliveries) + 1)
    log.deliveries[placed.id] = delivery_row(placed)
    return placed
