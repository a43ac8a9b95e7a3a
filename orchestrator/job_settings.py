"""Settings of durable jobs: how many run side by side, and how long a worker may be silent."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class JobSettings(BaseModel):
    """The worker of this process, and how much may wait for it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    slots: int = Field(default=16, ge=0, le=1024)  # jobs that run side by side; 0: other processes run them
    lease_seconds: float = Field(default=15.0, ge=1, le=3600)  # a worker that is silent for so long has lost its jobs
    poll_seconds: float = Field(default=1.0, gt=0, le=60)  # how often one looks for what other processes did
    most_queued: int = Field(default=10_000, ge=1)  # above it new jobs are refused
    most_queued_of_tenant: int = Field(default=5_000, ge=1)  # so that no tenant fills the queue for all
    most_claims: int = Field(default=100, ge=1)  # of one job: one that takes its workers down with it fails in the end
