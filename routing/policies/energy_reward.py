"""What a bandit learns of an outcome when energy counts: the reward, less what it took of energy."""

from __future__ import annotations

from typing import cast

from routing.base import Lesson
from storage.errors import InvalidInput

UNKNOWN = 0.5  # e of an outcome without a figure: as one of mean energy


class EnergyReward:
    """r = (1 - λ) reward + λ (1 - e), e = joules / (joules + mean joules so far) in [0, 1).

    GreenServ (2601-era): r = (1 - λ) quality - λ energy_norm. Here λ is added so that r stays in [0, 1], `reward` is
    the quality less its cost, and the norm is a saturating one: 1/2 at the mean, and no outlier sets the scale.
    """

    def __init__(self, weight: float = 0.0) -> None:
        """Raises InvalidInput for a weight beyond [0, 1]; 0: the reward as it is."""
        if not 0.0 <= weight <= 1.0:
            raise InvalidInput(f"The weight of energy is {weight!r}; it must lie in [0, 1].", field="energy_weight")
        self.weight = weight
        self._count = 0
        self._joules = 0.0

    def of(self, lesson: Lesson) -> float:
        """Also takes the lesson's joules into the mean."""
        if not self.weight:
            return lesson.reward
        if lesson.joules > 0:
            self._count += 1
            self._joules += lesson.joules
        return (1.0 - self.weight) * lesson.reward + self.weight * (1.0 - self._norm(lesson.joules))

    def _norm(self, joules: float) -> float:
        return joules / (joules + self._joules / self._count) if joules > 0 else UNKNOWN

    def state(self) -> dict[str, object]:
        return {"count": self._count, "joules": self._joules}

    def restore(self, state: object) -> None:
        """Undo of `state`. Raises InvalidInput."""
        try:
            saved = cast("dict[str, float]", state)
            count, joules = int(saved["count"]), float(saved["joules"])
        except (KeyError, TypeError, ValueError) as exc:
            raise InvalidInput(f"Saved energy has count and joules, not {state!r:.80}.", field="energy") from exc
        self._count, self._joules = count, joules
