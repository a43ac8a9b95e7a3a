"""Settings of routing: what is weighed, sessions, pacing of spend, and which local models stay loaded."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class WeightSettings(Part):
    """What a trained router weighs: quality in points, cost, latency and energy in units of its training reference."""

    quality: float = Field(default=1.0, ge=0, le=1e6)
    cost: float = Field(default=0.0, ge=0, le=1e6)
    latency: float = Field(default=0.0, ge=0, le=1e6)
    energy: float = Field(default=0.0, ge=0, le=1e6)

    @model_validator(mode="after")
    def _wants_something(self) -> Self:
        if not (self.quality or self.cost or self.latency or self.energy):
            raise ValueError("all weights are 0; at least one must be above")
        return self


class SessionSettings(Part):
    """What a switch within a session must win by, in units of the score."""

    idle_seconds: float = Field(default=300.0, gt=0)
    margin: float = Field(default=0.05, ge=0)
    cache_weight: float = Field(default=0.20, ge=0)  # of the share of the prompt that is likely cached
    most: int = Field(default=10_000, gt=0)  # sessions that are remembered


class PaceSettings(Part):
    """What may be spent in each period of the calendar (UTC)."""

    allowance_usd: float = Field(gt=0, allow_inf_nan=False)
    period: Literal["hour", "day", "week", "month"] = "month"


class PacingSettings(Part):
    """Beside the limits of budgets, which stop: a price on cost that makes the money last."""

    whole: PaceSettings | None = None  # of all accounts together
    accounts: dict[str, PaceSettings] = Field(default_factory=dict)  # by account, with all that draws on it


class ResidencySettings(Part):
    """Which local models stay loaded, looked at once an epoch."""

    memory_mb: int | None = Field(default=None, gt=0)  # for all of them together; None: whatever was asked stays
    epoch_seconds: float = Field(default=600.0, gt=0)
