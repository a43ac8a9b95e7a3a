"""Values to places: a scale with round ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

ROUND_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
USUAL_TICKS = 4


@dataclass(frozen=True, kw_only=True)
class Scale:
    """From `low` to `high`, which differ."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Where the value lies, in per cent of the way; never outside."""
        return min(100.0, max(0.0, (value - self.low) / (self.high - self.low) * 100))

    def ticks(self, wanted: int = USUAL_TICKS) -> list[float]:
        """Round values within the scale."""
        step = round_step((self.high - self.low) / wanted)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def round_step(step: float) -> float:
    """The next round number that is no smaller."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * each for each in ROUND_STEPS if power * each >= step * (1 - 1e-9))


def scale_of(values: Iterable[float], *, has_zero: bool = True) -> Scale:
    """A scale with round ends that holds all finite values, and zero where wanted."""
    found = [value for value in values if math.isfinite(value)] + ([0.0] if has_zero else [])
    low, high = (min(found), max(found)) if found else (0.0, 1.0)
    if low == high:
        low, high = (low, high + (abs(high) or 1.0)) if has_zero and low >= 0 else (low - 0.5, high + 0.5)
    step = round_step((high - low) / USUAL_TICKS)
    return Scale(low=math.floor(low / step + 1e-9) * step, high=math.ceil(high / step - 1e-9) * step)
