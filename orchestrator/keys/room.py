"""How much of a rate is left."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """How a window stands."""

    limit: int
    remaining: int
    reset_seconds: float  # until all of it is free again
    wait_seconds: float  # until there is room for one more
    is_refused: bool = False
