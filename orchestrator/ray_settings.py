"""Settings of what runs on a Ray cluster, where the service is started with `antroute serve --ray`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Place = Literal["local", "actor"]


class RaySettings(BaseModel):
    """How many workers, and which parts of each are shared by all: one actor in place of a copy a worker."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    # Workers of all nodes together; None: on each node one for every `cpus_per_worker`, and at least one.
    workers: int | None = Field(default=None, ge=1, le=1024)
    cpus_per_worker: float = Field(default=2.0, gt=0)
    encoder: Place = "actor"  # texts to vectors
    scorer: Place = "local"  # forecasts of the active trained router
    skills: Place = "actor"  # the search for skills; an actor only where a candidate has `found_skills`
    gpu_share: float = Field(default=0.25, ge=0, le=1)  # of one GPU, for the search, where the cluster has any
    batch: int = Field(default=32, ge=1, le=1024)  # texts that an actor works on at once
    drain_seconds: float = Field(default=10.0, ge=0, le=3600)  # for jobs under way when the gateway stops
    start_seconds: float = Field(default=60.0, gt=0, le=3600)  # a worker that is not ready by then is given up
    object_store_mb: int = Field(default=100, ge=80)  # of a cluster that `--ray local` starts
