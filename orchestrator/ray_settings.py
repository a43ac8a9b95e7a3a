"""Settings of what runs on a Ray cluster, where the service is started with `antroute serve --ray`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Place = Literal["local", "actor"]


class RaySettings(BaseModel):
    """How many workers, and which parts of each are shared by all: one actor in place of a copy a worker.

    Measured (benchmarks/ray_workers.py): a call to an actor takes 1.5 to 3 ms. An encoder of its own takes 60 MB a
    worker, and as many texts a second as there are workers can be encoded; the actor takes 180 MB once, and encodes for
    all of them no faster than one worker does for itself. So it pays with more than a handful of workers whose texts
    are mostly known. A forecast takes 0.02 to 0.8 ms, less than the call. An index of skills with its own encoder and
    ranker is worth a call.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    # Workers of all nodes together; None: on each node one for every `cpus_per_worker`, and at least one.
    workers: int | None = Field(default=None, ge=1, le=1024)
    cpus_per_worker: float = Field(default=2.0, gt=0)
    encoder: Place = "local"  # texts to vectors
    scorer: Place = "local"  # forecasts of the active trained router
    skills: Place = "actor"  # the search for skills; an actor only where a candidate has `found_skills`
    gpu_share: float = Field(default=0.25, ge=0, le=1)  # of one GPU, for the search, where the cluster has any
    batch: int = Field(default=32, ge=1, le=1024)  # texts that an actor works on at once
    drain_seconds: float = Field(default=10.0, ge=0, le=3600)  # for jobs under way when the gateway stops
    start_seconds: float = Field(default=60.0, gt=0, le=3600)  # a worker that is not ready by then is given up
    object_store_mb: int = Field(default=100, ge=80)  # of a cluster that `--ray local` starts
