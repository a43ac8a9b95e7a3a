"""Which local models to keep loaded within a memory limit, looked at anew in slow epochs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations

from storage.errors import InvalidInput

EPOCH_SECONDS = 600.0
HALF_LIFE_EPOCHS = 2.0  # of demand that was seen
SWITCH_GAIN = 0.1  # another set must be worth so much more, of what the present one is, to pay for loading it
MOST_EXACT = 14  # models: up to here every set is looked at, above it the worth per byte decides


@dataclass(frozen=True, kw_only=True)
class Resident:
    """A model that could be kept loaded."""

    size_bytes: int
    cold_start_seconds: float = 1.0  # what a call waits where it is not loaded


@dataclass(frozen=True, kw_only=True)
class Residency:
    """Which models are to be loaded, and which of these are not yet, or no longer to be."""

    keep: frozenset[str]
    load: frozenset[str]
    unload: frozenset[str]


class ResidencyController:
    """Keeps the set with the greatest Σ demand · value within the memory limit (POLAR's resident set, as a knapsack).

    `called` counts a call with what it was worth: its chance of being the right choice, times the seconds a cold start
    would have cost. Demand fades by half in `HALF_LIFE_EPOCHS`. `plan` changes its mind once an epoch at most.
    """

    def __init__(
        self,
        models: Mapping[str, Resident],
        *,
        memory_bytes: int,
        epoch_seconds: float = EPOCH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises InvalidInput where the limit or the epoch is not above 0."""
        if memory_bytes <= 0 or epoch_seconds <= 0:
            raise InvalidInput(
                f"The memory limit is {memory_bytes!r} bytes and the epoch {epoch_seconds!r} s; both must be above 0.",
                field="memory_bytes",
            )
        self._models = dict(models)
        self._memory_bytes = memory_bytes
        self._epoch_seconds = epoch_seconds
        self._clock = clock
        self._model_to_worth = dict.fromkeys(self._models, 0.0)
        self._planned_at = clock()

    def called(self, model: str, *, value: float = 1.0) -> None:
        """A call for this model; `value`: what it is worth that it need not wait, for each second."""
        if model in self._models:
            self._model_to_worth[model] += value * self._models[model].cold_start_seconds

    def plan(self, loaded: frozenset[str]) -> Residency | None:
        """What to load and unload now; None: the epoch is not over, or nothing is to be changed."""
        now = self._clock()
        epochs = (now - self._planned_at) / self._epoch_seconds
        if epochs < 1.0:
            return None
        self._planned_at = now
        keep, present = self._best(), frozenset(loaded & set(self._models))
        gain = self._worth(keep) - self._worth(present) * (1.0 + SWITCH_GAIN)
        fade = 0.5 ** (epochs / HALF_LIFE_EPOCHS)
        self._model_to_worth = {model: worth * fade for model, worth in self._model_to_worth.items()}
        if keep == present or (self._size(present) <= self._memory_bytes and gain <= 0.0):
            return None
        return Residency(keep=keep, load=keep - present, unload=present - keep)

    def _best(self) -> frozenset[str]:
        wanted = [
            model
            for model, worth in self._model_to_worth.items()
            if worth > 0.0 and self._models[model].size_bytes <= self._memory_bytes
        ]
        if len(wanted) > MOST_EXACT:
            return self._greedy(wanted)
        sets = (frozenset(each) for size in range(len(wanted) + 1) for each in combinations(sorted(wanted), size))
        return max((each for each in sets if self._size(each) <= self._memory_bytes), key=self._worth)

    def _greedy(self, wanted: list[str]) -> frozenset[str]:
        kept: set[str] = set()
        for model in sorted(wanted, key=lambda m: -self._model_to_worth[m] / max(self._models[m].size_bytes, 1)):
            if self._size(frozenset({*kept, model})) <= self._memory_bytes:
                kept.add(model)
        return frozenset(kept)

    def _worth(self, models: frozenset[str]) -> float:
        return sum(self._model_to_worth[model] for model in models)

    def _size(self, models: frozenset[str]) -> int:
        return sum(self._models[model].size_bytes for model in models)
