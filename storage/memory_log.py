"""What the stores in memory share: every table as a dictionary, the log as a list."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from storage.canonical import Entry
from storage.chain import head_of, linked, opening
from storage.errors import StorageUnavailable
from storage.job_forms import kept_from
from storage.job_moves import is_good, lease_lost
from storage.job_records import Fence
from storage.records import AuditEvent, BudgetAccount, Hold, Payload, utc_now
from storage.skill_forms import VersionRow
from storage.skill_records import SkillVersion
from storage.trail_forms import deposit_key, erased_event, event_row
from storage.trail_records import TrailEvent
from storage.writing import StagedSpan, Write, already_written

URL = "memory:"


@dataclass
class MemoryTrails:
    """Events by their place less one; each embedding by its text and the event's place."""

    records: list[bytes] = field(default_factory=list)
    id_to_record: dict[str, bytes] = field(default_factory=dict)
    deposits: set[tuple[str, str]] = field(default_factory=set)  # memory and decision
    vectors: dict[tuple[str, int], tuple[str, bytes]] = field(default_factory=dict)  # to memory and embedding
    snapshots: dict[tuple[str, int], tuple[str, str, str, bytes]] = field(default_factory=dict)
    last_erasure: dict[str, int] = field(default_factory=dict)  # memory to place

    def add(self, event: TrailEvent, row: bytes) -> None:
        self.records.append(row)
        self.id_to_record[event.id] = row
        key = deposit_key(event)
        if key is not None:
            self.deposits.add(key)
        if event.embedding is not None and event.payload_id is not None:
            self.vectors[event.payload_id, event.position] = event.memory, event.embedding

    def embedding_at(self, position: int) -> bytes | None:
        found = [vector for (_, place), (_, vector) in self.vectors.items() if place == position]
        return found[0] if found else None

    def erase(self, payload_id: str, *, at: datetime) -> None:
        """Embeddings of this text go, and snapshots that may hold them; an event tells each memory."""
        gone = sorted((place, memory) for (text, place), (memory, _) in self.vectors.items() if text == payload_id)
        memory_to_first = {memory: place for place, memory in reversed(gone)}
        for place, _ in gone:
            del self.vectors[payload_id, place]
        for memory, first in sorted(memory_to_first.items()):
            self.snapshots = {key: s for key, s in self.snapshots.items() if key[0] != memory or key[1] < first}
            position = len(self.records) + 1
            event = replace(erased_event(memory, payload_id, at), position=position)
            self.add(event, event_row(event))
            self.last_erasure[memory] = position


@dataclass
class MemoryLog:
    """Everything that is remembered, each table by id."""

    writer: str
    events: list[AuditEvent] = field(default_factory=list)
    entries: dict[tuple[str, str], AuditEvent] = field(default_factory=dict)
    payloads: dict[str, Payload] = field(default_factory=dict)
    spans: dict[str, StagedSpan] = field(default_factory=dict)
    accounts: dict[str, BudgetAccount] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    settled_holds: set[str] = field(default_factory=set)
    artifacts: dict[str, dict[str, bytes]] = field(default_factory=dict)  # by digest, each file by name
    skills: dict[str, SkillVersion] = field(default_factory=dict)  # the latest versions, without their bodies
    skill_versions: dict[str, list[VersionRow]] = field(default_factory=dict)  # by skill, oldest first
    skill_moves: dict[str, list[bytes]] = field(default_factory=dict)  # by skill, oldest first
    trails: MemoryTrails = field(default_factory=MemoryTrails)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)  # rows, in order of submission
    job_events: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # rows by job, oldest first
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    tenants: dict[str, dict[str, Any]] = field(default_factory=dict)
    deliveries: dict[str, dict[str, Any]] = field(default_factory=dict)  # rows, in order of their places
    checkpoints: list[str] = field(default_factory=list)
    tiles: list[str] = field(default_factory=list)
    signing_keys: list[str] = field(default_factory=list)
    is_closed: bool = False

    def append(self, entry: Entry) -> None:
        if not self.events:
            self._link(opening(self.writer, (), at=utc_now()))
        self._link(entry)

    def of_kind(self, kind: str, *, decision_id: str | None = None) -> list[AuditEvent]:
        """Events of this kind in log order; of one decision, if it is named."""
        return [event for event in self.events if event.kind == kind and decision_id in (None, event.decision_id)]

    def ensure_open(self) -> None:
        if self.is_closed:
            raise StorageUnavailable(f"The store {URL!r} is closed; open it again.")

    def ensure_fence(self, fence: Fence | None) -> None:
        """Raises LeaseLost where who writes for a job may no longer do so; None: nobody writes for one."""
        if fence is None:
            return
        row = self.jobs.get(fence.job_id)
        if row is None or not is_good(fence, kept_from(row).job):
            raise lease_lost(fence)

    def ensure_free_payloads(self, write: Write) -> None:
        """Raises InvalidInput for a text whose id another text has."""
        for payload_id, payload in write.payloads.items():
            if self.payloads.get(payload_id, payload) != payload:
                raise already_written(payload_id)

    def _link(self, entry: Entry) -> None:
        head = head_of(self.events[-1]) if self.events else None
        event = linked(entry, writer=self.writer, head=head, position=len(self.events) + 1)
        self.events.append(event)
        self.entries[event.kind, event.subject_id] = event


@dataclass(frozen=True)
class MemoryStore:
    """What every store in memory stands on."""

    log: MemoryLog
