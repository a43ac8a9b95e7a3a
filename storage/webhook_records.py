"""Webhooks: what is to be delivered where, and how often that was tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from storage.records import new_id, utc_now

NOBODY: Mapping[str, int] = MappingProxyType({})
DeliveryState = Literal["pending", "delivered", "given_up"]


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message to one URL; its body names the job and says how it ended, and holds no text of the caller's."""

    tenant: str
    job_id: str
    url: str
    kind: str  # `job.succeeded`, …
    body: str  # JSON, byte for byte what is signed and sent
    id: str = field(default_factory=lambda: new_id("msg"))  # the `webhook-id`: the same for every try
    state: DeliveryState = "pending"
    tries: int = 0
    next_try_at: datetime = field(default_factory=utc_now)
    last_status: int | None = None  # of HTTP
    last_error: str | None = None
    created_at: datetime = field(default_factory=utc_now)
    delivered_at: datetime | None = None
    position: int = 0  # 1, 2, 3, …: the cursor of lists


class Shares:
    """How many places each tenant has, and whether it may have one more."""

    def __init__(self, most: int | None, busy: Mapping[str, int]) -> None:
        """`most` of one tenant; None: as many as there are."""
        self._most = most
        self._count = Counter(busy)

    def take(self, tenant: str) -> bool:
        """Whether it got a place."""
        if self._most is not None and self._count[tenant] >= self._most:
            return False
        self._count[tenant] += 1
        return True

    @property
    def full(self) -> list[str]:
        """Tenants that get no more."""
        return sorted(tenant for tenant, count in self._count.items() if self._most is not None and count >= self._most)
