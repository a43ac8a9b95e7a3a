"""The settings' part on OpenTelemetry."""

from __future__ import annotations

from pydantic import Field, SecretStr

from orchestrator.routing_settings import Part


class TelemetrySettings(Part):
    """Where spans of runs go; without an endpoint nothing of OpenTelemetry is imported."""

    # Of OTLP/HTTP, the whole URL: http://HOST:4318/v1/traces
    endpoint: str | None = Field(default=None, pattern=r"^https?://\S+$")
    headers: dict[str, SecretStr] = Field(default_factory=dict)  # sent along, such as a collector's key
    service_name: str = Field(default="antroute", min_length=1)
    content: bool = False  # questions and answers go along too
    timeout_seconds: float = Field(default=10.0, gt=0, le=60)  # of one export
