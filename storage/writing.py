"""One call of `Journal.write`, checked and encoded before any store sees it; what every store refuses stands here."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from storage.canonical import Entry, checked_id, entry_of, iso, span_text
from storage.errors import InvalidInput, RecordNotFound
from storage.records import Decision, Outcome, Payload, Reward, Span, payload_digest
from storage.stores import Item

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, kw_only=True, slots=True)
class StagedSpan:
    """A span as it is kept: its JSON, and the two fields that are searched."""

    id: str
    run_id: str
    started_at: str
    text: str


@dataclass(kw_only=True, slots=True)
class Write:
    """All items of one write by id, and what it needs to be there already: decisions, payloads with their digest."""

    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)
    payloads: dict[str, Payload] = field(default_factory=dict)
    spans: dict[str, StagedSpan] = field(default_factory=dict)
    needed_decisions: list[str] = field(default_factory=list)
    quoted_payloads: dict[str, str | None] = field(default_factory=dict)
    has_verdict: bool = False  # its id may be made from a caller's key, so that another may have taken it

    @property
    def size(self) -> int:
        return len(self.entries) + len(self.payloads) + len(self.spans)

    @property
    def ids(self) -> list[str]:
        return [*(subject_id for _, subject_id in self.entries), *self.payloads, *self.spans]

    @property
    def decision_ids(self) -> list[str]:
        return [entry.subject_id for entry in self.entries.values() if entry.kind == "decision"]

    @property
    def needed_payloads(self) -> list[str]:
        return [payload_id for payload_id in self.quoted_payloads if payload_id not in self.payloads]


def staged(items: Sequence[Item]) -> Write:
    """The items ready to be stored; raises InvalidInput for one that could not be read back or verified."""
    write = Write()
    for item in items:
        if isinstance(item, Payload):
            _keep(write.payloads, item.id, _checked_payload(item))
        elif isinstance(item, Span):
            _keep(write.spans, item.id, _staged_span(item))
        else:
            _stage_record(write, item)
    for payload_id, payload in write.payloads.items():
        ensure_quoted_right(payload_id, payload.digest, write.quoted_payloads)
    return write


def ensure_decisions(needed: Sequence[str], known: Container[str]) -> None:
    """Raises RecordNotFound for the first decision that is not known."""
    for decision_id in needed:
        if decision_id not in known:
            raise RecordNotFound(f"No decision {decision_id!r}; write the decision before its outcome or reward.")


def ensure_payloads(write: Write, id_to_digest: Mapping[str, str]) -> None:
    """Raises RecordNotFound for a payload that is quoted and not known, InvalidInput for one quoted wrongly."""
    for payload_id in write.needed_payloads:
        if payload_id not in id_to_digest:
            raise RecordNotFound(f"No payload {payload_id!r}; write the text before or with the record that quotes it.")
        ensure_quoted_right(payload_id, id_to_digest[payload_id], write.quoted_payloads)


def ensure_quoted_right(payload_id: str, digest: str, quoted: Mapping[str, str | None]) -> None:
    if quoted.get(payload_id, digest) != digest:
        raise InvalidInput(
            f"payload_digest {quoted[payload_id]!r} is not that of payload {payload_id!r}, {digest!r}.",
            field="payload_digest",
        )


def already_written(item_id: str) -> InvalidInput:
    """The error for another item under an id that is taken; the same item again is no error."""
    return InvalidInput(f"{item_id!r} was written before with other content; use a new id.", field="id")


def _stage_record(write: Write, record: Decision | Outcome | Reward) -> None:
    entry = entry_of(record)
    key = (entry.kind, entry.subject_id)
    if not isinstance(record, Decision) and ("decision", record.decision_id) not in write.entries:
        write.needed_decisions.append(record.decision_id)
    _keep(write.entries, key, entry)
    if isinstance(record, Outcome) and record.status == "judged":
        write.has_verdict = True
    if not isinstance(record, Reward) and record.payload_id:
        _keep(write.quoted_payloads, checked_id(record.payload_id, "payload_id"), record.payload_digest)


def _checked_payload(payload: Payload) -> Payload:
    checked_id(payload.id, "id")
    if payload.text is None or payload.salt is None or payload.erased_at is not None:
        raise InvalidInput(f"Payload {payload.id!r} has no text; make it with Payload.of(text).", field="text")
    checked_id(payload.salt, "salt")
    if payload_digest(payload.salt, payload.text) != payload.digest:
        raise InvalidInput(f"digest of payload {payload.id!r} is not that of its salt and text.", field="digest")
    return payload


def _staged_span(span: Span) -> StagedSpan:
    return StagedSpan(
        id=checked_id(span.id, "id"),
        run_id=checked_id(span.run_id, "run_id"),
        started_at=iso(span.started_at, field="started_at"),
        text=span_text(span),
    )


def _keep(kept: dict[K, V], key: K, value: V) -> None:
    if kept.setdefault(key, value) != value:
        raise already_written(str(key[1] if isinstance(key, tuple) else key))
