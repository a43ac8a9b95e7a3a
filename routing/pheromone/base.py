"""What a memory of trails owes whoever keeps it: its changes as events, its state, and how both are put back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from storage.trail_records import TrailEvent


@runtime_checkable
class TrailMemory(Protocol):
    """A memory that changes by events alone: the same events in the same order give the same state.

    Its own changes are applied at once and handed out by `drain`; events that were stored are put back by `apply`.
    """

    name: str  # by which its events and snapshots are stored

    def drain(self) -> list[TrailEvent]:
        """What it changed since the last call, oldest first, each handed out once."""
        ...

    def apply(self, event: TrailEvent) -> None:
        """Replays a stored event, which `drain` does not hand out again.

        A deposit whose decision the memory has already changes nothing.
        """
        ...

    def state(self) -> dict[str, object]:
        """All that must be saved: JSON values only. `cells` are listed as `orchestrator/trail_cells.py` reads them."""
        ...

    def restore(self, state: Mapping[str, object]) -> None:
        """Undo of `state`. Raises InvalidInput where it is not such a state."""
        ...

    def reset(self, *, stage: str | None, candidate_id: str | None) -> TrailEvent:
        """Forgets the cells of this stage and candidate, None: of all. The event is told here, and not by `drain`."""
        ...
