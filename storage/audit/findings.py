"""What a walk through the whole log found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class BadEvent:
    """The first event that is not as it was written, or the place of one that is missing."""

    position: int
    writer: str
    seq: int
    kind: str
    subject_id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class BadCheckpoint:
    """The first signed checkpoint that is not as it was signed, is missing, or does not fit the log."""

    number: int  # 0: of none in particular, but of the keys
    reason: str


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Whether log, payloads, files and checkpoints are all as they were written, and what is wrong first."""

    is_whole: bool
    events_checked: int
    writers: int
    first_bad_event: BadEvent | None
    erased_payloads: int
    files_checked: int = 0  # of routers, and texts of skills
    checkpoints: int = 0  # that are signed, follow from each other and fit the log
    sealed_events: int = 0  # how many events the newest of them holds
    outside_checkpoints: int | None = None  # that were compared with ours; None: no place outside was looked at
    first_bad_checkpoint: BadCheckpoint | None = None


class Broken(Exception):
    """This event is wrong, for this reason."""


class EventRow(Protocol):
    """What names an event: an AuditEvent, or a row of a walk."""

    @property
    def position(self) -> int: ...
    @property
    def writer(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def subject_id(self) -> str: ...


def bad_event(event: EventRow, reason: str) -> BadEvent:
    return BadEvent(
        position=event.position,
        writer=event.writer,
        seq=event.seq,
        kind=event.kind,
        subject_id=event.subject_id,
        reason=reason,
    )


def missing_event(position: int, reason: str) -> BadEvent:
    return BadEvent(position=position, writer="", seq=-1, kind="", subject_id="", reason=reason)
