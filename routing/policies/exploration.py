"""From scores to probabilities: the best arms share evenly, and no arm is left without a chance."""

from __future__ import annotations

from routing.base import Vector
from storage.errors import InvalidInput

DEFAULT_EXPLORATION = 0.05  # share of all choices that is spread evenly, so that no propensity is zero


def checked_exploration(exploration: float) -> float:
    """The share itself. Raises InvalidInput where it would leave an arm without a chance."""
    if not 0.0 < exploration <= 1.0:
        raise InvalidInput(f"Exploration is {exploration!r}; it must be above 0 and at most 1.", field="exploration")
    return exploration


def with_floor(preferred: Vector, exploration: float) -> Vector:
    """γ / |arms| + (1 - γ) p, made to sum to one. Raises InvalidInput without arms."""
    if len(preferred) == 0:
        raise InvalidInput("A policy was asked to choose among no arms; give it at least one.", field="arms")
    mixed = exploration / len(preferred) + (1.0 - exploration) * preferred
    probabilities: Vector = mixed / mixed.sum()
    return probabilities
