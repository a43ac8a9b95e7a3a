"""What a memory of trails owes whoever keeps it: its changes as events, its state, and how both are put back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from storage.trail_records import TrailEvent


@dataclass(frozen=True, kw_only=True)
class TrailCell:
    """What is remembered of one task type, stage and candidate."""

    task: str
    stage: str
    candidate_id: str
    tau: float  # the trail as it reads at the moment asked for, evaporated until then
    n: float  # deposits, each with its weight
    mean: float  # of the utility, in [0, 1]
    variance: float  # of the utility
    used_at: datetime | None = None  # of the last deposit; None: none yet


@runtime_checkable
class TrailMemory(Protocol):
    """A memory that changes by events alone: the same events in the same order give the same state.

    Its own changes are applied at once and handed out by `drain`; events that were stored are put back by `apply`.
    """

    @property
    def name(self) -> str:
        """By which its events and snapshots are stored."""
        ...

    def drain(self) -> list[TrailEvent]:
        """What it changed since the last call, oldest first, each handed out once."""
        ...

    def apply(self, event: TrailEvent) -> None:
        """Replays a stored event of any kind, which `drain` does not hand out again; makes no event of its own.

        A deposit whose decision the memory has already changes nothing. After `erased` no embedding of that text is
        in the memory or its state.
        """
        ...

    def state(self) -> dict[str, object]:
        """All that must be saved, JSON values only. Two memories that applied the same events have equal states."""
        ...

    def restore(self, state: Mapping[str, object]) -> None:
        """Undo of `state`. Raises InvalidInput where it is not such a state, and changes nothing then."""
        ...

    def reset(self, *, stage: str | None, candidate_id: str | None) -> TrailEvent:
        """Forgets the cells of this stage and candidate, None: of all. `drain` may tell the event, too, or not."""
        ...


@runtime_checkable
class ShownMemory(Protocol):
    """A memory whose cells can be looked at."""

    def cells(self, *, at: datetime) -> list[TrailCell]:
        """Every cell that was ever used, by stage, task and candidate; trails evaporated until `at`."""
        ...
