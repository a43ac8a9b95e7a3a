"""The checkpoints of a log while it is walked over: their roots, heads and sizes against what stands in the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from storage.audit.findings import BadCheckpoint, BadEvent, missing_event
from storage.audit.walk import Walk
from storage.checkpoint_records import AuditCheckpoint
from storage.merkle import TILE, Frontier


@dataclass
class Faults:
    """The first checkpoint that is wrong, by number."""

    first: BadCheckpoint | None = None

    def note(self, number: int, reason: str) -> None:
        if self.first is None or number < self.first.number:
            self.first = BadCheckpoint(number=number, reason=reason)


@dataclass
class Seals:
    """Checkpoints that are rightly signed, in order; and the tree that the walk makes."""

    checkpoints: Sequence[AuditCheckpoint]
    tiles: Sequence[str]
    faults: Faults
    compared: int | None = None  # with ones outside
    fitting: int = 0  # checkpoints whose root is that of the log
    tree: Frontier = field(default_factory=Frontier)
    _tiles_seen: int = 0
    _grown: set[str] = field(default_factory=set)  # writers with events since the last checkpoint
    _is_broken: bool = False  # a root was not that of the log: the following ones cannot be, either

    @property
    def sealed_events(self) -> int:
        return self.checkpoints[self.fitting - 1].tree_size if self.fitting else 0

    def next_stop(self) -> int | None:
        """The size of the tree at which the next checkpoint was signed."""
        if self._is_broken or self.fitting >= len(self.checkpoints):
            return None
        return self.checkpoints[self.fitting].tree_size

    def grow(self, leaves: Sequence[bytes], writers: Sequence[str], walk: Walk) -> None:
        """Takes the leaves that the walk has just gone over; none of them lies beyond the next stop."""
        for tile in self.tree.extend(leaves):
            self._check_tile(tile.hex())
        self._grown.update(writers)
        if self.next_stop() == self.tree.size:
            self._compare(self.checkpoints[self.fitting], walk)

    def cut_off(self) -> BadEvent | None:
        """At the end of the log: the first event that a checkpoint holds and the log does not."""
        size, gone = self.next_stop(), self.tree.size + 1
        if size is None or size < gone:
            self._check_tile_count()
            return None
        number = self.checkpoints[self.fitting].number
        reason = f"{_events(gone, size)} missing at the end of the log: checkpoint {number} holds them"
        return missing_event(gone, reason)

    def _check_tile(self, root: str) -> None:
        first = self._tiles_seen * TILE + 1
        if self._tiles_seen < len(self.tiles) and self.tiles[self._tiles_seen] != root:
            number = next((each.number for each in self.checkpoints if each.tree_size >= first + TILE - 1), 0)
            self.faults.note(number, f"the root kept of events {first} to {first + TILE - 1} is not that of the log")
        self._tiles_seen += 1

    def _check_tile_count(self) -> None:
        if len(self.tiles) > self._tiles_seen:
            reason = f"roots of {len(self.tiles)} tiles are kept, but the log has {self._tiles_seen} whole ones"
            self.faults.note(max(1, len(self.checkpoints)), reason)

    def _compare(self, checkpoint: AuditCheckpoint, walk: Walk) -> None:
        heads = tuple(head for head in map(walk.head, sorted(self._grown)) if head is not None)
        self._grown.clear()
        if self.tree.root().hex() != checkpoint.root_hash:
            where = _events(self.sealed_events + 1, checkpoint.tree_size)
            reason = f"its root is not that of the log: {where} not, or not all, what was signed"
            self.faults.note(checkpoint.number, reason)
            self._is_broken = True
        elif heads != checkpoint.heads:
            self.faults.note(checkpoint.number, "the heads that it quotes are not those of the writers' chains")
            self._is_broken = True
        else:
            self.fitting += 1


def _events(first: int, last: int) -> str:
    return f"event {first} is" if first == last else f"events {first} to {last} are"
