"""Webhooks: what is to be delivered where, and how often that was tried."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from storage.records import new_id, utc_now

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
