"""A clock that is turned by hand, a place outside that can be broken, and a log with decisions in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from storage.checkpoint_forms import checkpoint_text, key_text
from storage.checkpoint_records import AuditCheckpoint, SigningKey
from storage.conformance_records import a_decision, a_payload, an_outcome
from storage.errors import StorageUnavailable
from storage.records import Decision
from storage.stores import Stores


class Clock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class BreakableOutside:
    """Texts in a list."""

    place = "a place outside"

    def __init__(self) -> None:
        self.is_broken = False
        self.kept: list[str] = []
        self.numbers: list[int] = []

    def last_number(self) -> int:
        self._ensure_whole()
        return max(self.numbers, default=0)

    def write(self, keys: Sequence[SigningKey], checkpoints: Sequence[AuditCheckpoint]) -> None:
        self._ensure_whole()
        self.kept += [*map(key_text, keys), *map(checkpoint_text, checkpoints)]
        self.numbers += [each.number for each in checkpoints]

    def texts(self) -> Iterable[str]:
        self._ensure_whole()
        return list(self.kept)

    def _ensure_whole(self) -> None:
        if self.is_broken:
            raise StorageUnavailable("The disk of the place outside is full.")


async def answered(stores: Stores, times: int = 1) -> Decision:
    """So many decisions with an outcome each: two events; the last of them."""
    for _ in range(times):
        payload = a_payload()
        decision = a_decision(payload)
        await stores.journal.write(payload, decision, an_outcome(decision))
    return decision
