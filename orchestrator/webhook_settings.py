"""The settings' part on webhooks."""

from __future__ import annotations

from pydantic import Field

from orchestrator.routing_settings import Part


class WebhookSettings(Part):
    """Where messages may go, and how long one is waited for."""

    # Names or addresses, as they stand in the URL, that may be called though they are private, and over plain http too.
    allowed_private_hosts: tuple[str, ...] = ()
    timeout_seconds: float = Field(default=15.0, gt=0, le=60)  # of one try, from the name's look-up to the answer
    parallel: int = Field(default=8, ge=1, le=64)  # messages that are sent at once
