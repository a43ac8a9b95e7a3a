"""What a caller or the settings want of a trained router, as checked weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields

from routing.forecasts import Weights
from storage.errors import InvalidInput

LARGEST = 1e6
NAMES = tuple(field.name for field in fields(Weights))


def weights_of(wanted: Weights | Mapping[str, float] | None) -> Weights | None:
    """None stays None. What a mapping leaves out is 1 for quality and 0 for the rest.

    Raises InvalidInput for an unknown name, for a weight that is not a number from 0 to LARGEST, and for zeros alone.
    """
    if wanted is None:
        return None
    given = asdict(wanted) if isinstance(wanted, Weights) else dict(wanted)
    for name, weight in given.items():
        if name not in NAMES:
            raise InvalidInput(f"No weight {name!r}; known: {', '.join(NAMES)}.", field="weights")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= LARGEST:
            raise InvalidInput(f"Weight {name!r} is {weight!r}; it must be 0 to {LARGEST:g}.", field="weights")
    weights = Weights(**{name: float(weight) for name, weight in given.items()})
    if not any(asdict(weights).values()):
        raise InvalidInput("All weights are 0; at least one must be above.", field="weights")
    return weights
