"""Which models are failing right now, so that the mask can leave them alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

FAILURES_BEFORE_REST = 2
FIRST_REST_SECONDS = 5.0
LONGEST_REST_SECONDS = 300.0


@dataclass
class Condition:
    failures: int = 0  # in a row
    rests_until: float = 0.0
    last_error: str = ""


class ModelHealth:
    """Two failures in a row give a model a rest of 5 s, doubled by each further one; a success clears it."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.model_to_condition: dict[str, Condition] = {}

    def succeeded(self, model: str) -> None:
        self.model_to_condition.pop(model, None)

    def failed(self, model: str, error: str) -> None:
        condition = self.model_to_condition.setdefault(model, Condition())
        if (
            condition.rests_until > self.clock()
        ):  # was under way when the rest began: the same failure, not a further one
            return
        condition.failures += 1
        condition.last_error = error
        extra = condition.failures - FAILURES_BEFORE_REST
        if extra >= 0:
            condition.rests_until = self.clock() + min(FIRST_REST_SECONDS * 2 ** min(extra, 16), LONGEST_REST_SECONDS)

    def reasons(self) -> dict[str, str]:
        """Model to why it rests; models that may be tried are absent."""
        now = self.clock()
        return {
            model: f"failed {c.failures} times in a row, next try in {c.rests_until - now:.0f} s ({c.last_error})"
            for model, c in self.model_to_condition.items()
            if c.rests_until > now
        }
