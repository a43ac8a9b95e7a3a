"""The settings' part on the audit log's signed checkpoints."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from orchestrator.routing_settings import Part

AUTO = "auto"


class AuditSettings(Part):
    """When the log is signed, with which key, and where the checkpoints go outside of the database."""

    is_signed: bool = True
    every_events: int = Field(default=256, ge=1)  # sign when so many events are new …
    every_seconds: float = Field(default=10.0, gt=0)  # … or when so long after the last one any is
    # A JSONL file, a folder (ending in /), an object store's URL (s3://BUCKET/PREFIX; needs antroute[objects]), or
    # nothing. `auto`: a file beside an SQLite file, or in the user's data folder.
    outside: str = AUTO
    key_file: Path | None = None  # the private key; default: beside the service's secret
    signing_key: SecretStr | None = None  # the private key itself, 64 characters of hex, in the place of a file
    trusted_keys: tuple[str, ...] = ()  # public keys (hex) that need no endorsement: after the loss of a private one
