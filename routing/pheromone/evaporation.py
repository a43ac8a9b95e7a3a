"""How trails and what was learned fade with the clock: by half in each half-life, worked out when they are read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from routing.base import Vector
from storage.errors import InvalidInput

DEFAULT_HALF_LIFE_DAYS = 30.0
TICKS = 720  # to a half-life; between two ticks nothing fades, so that asking twice gives the same answer
DAY_SECONDS = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Evaporation:
    """2^(-Δt / half-life). None: nothing fades."""

    half_life_days: float | None = DEFAULT_HALF_LIFE_DAYS

    def __post_init__(self) -> None:
        if self.half_life_days is not None and not self.half_life_days > 0:
            raise InvalidInput(
                f"The half-life is {self.half_life_days!r} days; it must be above 0, or None for none.",
                field="half_life_days",
            )

    def tick(self, moment: datetime) -> float:
        """The moment as a whole number of ticks; 0 where nothing fades."""
        if self.half_life_days is None:
            return 0.0
        return float(moment.timestamp() // (self.half_life_days * DAY_SECONDS / TICKS))

    def share_kept(self, ticks: Vector | np.float64) -> Vector:
        """After so many ticks; nothing grows back where the clock went backwards."""
        kept: Vector = np.exp2(-np.maximum(ticks, 0.0) / TICKS)
        return kept
