"""The settings' part on how long texts are kept."""

from __future__ import annotations

from pydantic import Field

from orchestrator.routing_settings import Part


class RetentionSettings(Part):
    """Texts: questions, answers, jobs' requests and results. Decisions, outcomes and the log are kept for good."""

    payload_days: float | None = Field(default=None, gt=0)  # older ones are erased; None: they are kept
