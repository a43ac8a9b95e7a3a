"""What the stores in memory share: every table as a dictionary, the log as a list."""

from __future__ import annotations

from dataclasses import dataclass, field

from storage.canonical import Entry
from storage.chain import head_of, linked, opening
from storage.errors import StorageUnavailable
from storage.records import AuditEvent, BudgetAccount, Hold, Payload, utc_now
from storage.skill_forms import VersionRow
from storage.skill_records import SkillVersion
from storage.writing import StagedSpan

URL = "memory:"


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

    def _link(self, entry: Entry) -> None:
        head = head_of(self.events[-1]) if self.events else None
        event = linked(entry, writer=self.writer, head=head, position=len(self.events) + 1)
        self.events.append(event)
        self.entries[event.kind, event.subject_id] = event


@dataclass(frozen=True)
class MemoryStore:
    """What every store in memory stands on."""

    log: MemoryLog
