"""The settings' part on training jobs."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_data_path
from pydantic import Field

from orchestrator.routing_settings import Part


class TrainingSettings(Part):
    """Whether operators may have routers trained over HTTP, on what, and where these go."""

    data_dir: Path | None = None  # below it lie the folders that may be trained on; None: no training jobs
    out_dir: Path | None = None  # of trained routers, one folder a job; default: `routers` in the user's data folder
    parallel: int = Field(default=1, ge=1, le=16)  # trainings of this process at one time; the others wait

    @property
    def target_dir(self) -> Path:
        return self.out_dir or user_data_path("antroute") / "routers"
