"""Events and snapshots of trails as rows, and back; refuses what no store could give back as it was.

A row is JSON in UTF-8 that lets lone surrogates pass. It holds all but the place in the log and the embedding, which
stands apart: it goes when its text is erased.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any, get_args

from storage.canonical import canonical_json, checked_id, iso, moment_of
from storage.errors import InvalidInput, LogCorrupt
from storage.records import new_id, utc_now
from storage.trail_records import TrailEvent, TrailEventKind, TrailSnapshot
from storage.writing import already_written

MOST_KEY_BYTES = 1000  # of a memory's name, a decision's id: two of them fit into PostgreSQL's index entry of 2,700
MOST_EMBEDDING_BYTES = 64 * 1024
MOST_RECORD_BYTES = 4 * 2**20
MOST_STATE_BYTES = 64 * 2**20
NEWEST_SNAPSHOTS = 4  # of a memory, that are kept
SNAPSHOT_SPACING = 10_000  # events between two older ones that are kept: seconds of rebuilding
KINDS: tuple[TrailEventKind, ...] = get_args(TrailEventKind)
APART = ("position", "embedding")
RECORDED = tuple(name for name in TrailEvent.__dataclass_fields__ if name not in APART)
FIGURES = ("utility", "cost_usd", "latency_seconds", "weight")


def event_row(event: TrailEvent) -> bytes:
    """Raises InvalidInput for an event that could not be read back as it is, or whose embedding nobody could erase."""
    values: dict[str, Any] = {name: getattr(event, name) for name in RECORDED}
    values["mixture"], values["body"] = dict(event.mixture), dict(event.body)
    values["at"] = iso(event.at, field="at")
    _check(event)
    return _bytes(values, f"Trail event {event.id!r}", MOST_RECORD_BYTES)


def event_from(record: bytes, *, position: int, embedding: bytes | None = None) -> TrailEvent:
    """The event that `event_row` wrote. Raises LogCorrupt."""
    plain = _plain(record, "trail event")
    try:
        return TrailEvent(**plain | {"at": moment_of(plain["at"])}, position=position, embedding=embedding)
    except (KeyError, TypeError) as exc:
        raise LogCorrupt(f"A stored trail event is none: {exc!r}.") from exc


def snapshot_of(memory: str, position: int, state: Mapping[str, Any], *, at: datetime | None = None) -> TrailSnapshot:
    """The snapshot of a state after all events up to this position. Raises InvalidInput for a state that is no JSON."""
    return TrailSnapshot(memory=memory, position=position, state=state, sha256=state_sha256(state), at=at or utc_now())


def state_sha256(state: Mapping[str, Any]) -> str:
    """SHA-256 of the state's canonical JSON. Raises InvalidInput."""
    try:
        return sha256(canonical_json(dict(state)).encode()).hexdigest()
    except (RecursionError, TypeError, ValueError) as exc:
        raise InvalidInput(f"The memory's state has no JSON form: {exc!s:.200}.", field="state") from exc


def snapshot_row(snapshot: TrailSnapshot) -> bytes:
    """The state alone. Raises InvalidInput where it is no JSON, or not the one that the snapshot's digest names."""
    checked_key(snapshot.memory, "memory")
    checked_id(snapshot.id, "id")
    iso(snapshot.at, field="at")
    if snapshot.position < 0:
        raise InvalidInput(f"position is {snapshot.position}; a snapshot's cannot be negative.", field="position")
    if snapshot.sha256 != state_sha256(snapshot.state):
        raise InvalidInput(f"Snapshot {snapshot.id!r} names another digest than its state has.", field="sha256")
    return _bytes(dict(snapshot.state), f"Snapshot {snapshot.id!r}", MOST_STATE_BYTES)


def snapshot_from(row: bytes, *, memory: str, position: int, sha256: str, id: str, at: str) -> TrailSnapshot:
    """The snapshot that was written. Raises LogCorrupt for a state that its digest does not fit."""
    state = _plain(row, "snapshot of trails")
    if state_sha256(state) != sha256:
        raise LogCorrupt(f"The stored snapshot {id!r} of memory {memory!r} is not the one that was written.")
    return TrailSnapshot(memory=memory, position=position, state=state, sha256=sha256, id=id, at=moment_of(at))


def superseded(positions: Iterable[int]) -> list[int]:
    """Of a memory's snapshots, those that others have made needless: all but the newest few and one in so many events.

    A state is large, and grows with what is remembered; between two kept ones the events give every state again.
    """
    older = sorted(positions)[:-NEWEST_SNAPSHOTS]
    kept, needless = None, []
    for position in older:
        if kept is None or position - kept >= SNAPSHOT_SPACING:
            kept = position
        else:
            needless.append(position)
    return needless


def erased_event(memory: str, payload_id: str, at: datetime) -> TrailEvent:
    """That this text, and with it each embedding made of it, is gone from the memory."""
    return TrailEvent(memory=memory, kind="erased", payload_id=payload_id, at=at, id=new_id("trail"))


def deposit_key(event: TrailEvent) -> tuple[str, str] | None:
    """What an event may be written of only once; None: as often as it comes."""
    if event.kind != "deposit" or event.decision_id is None:
        return None
    return event.memory, event.decision_id


def ensure_same(event: TrailEvent, known: bytes, given: bytes) -> None:
    """Raises InvalidInput where the id is taken by another event."""
    if known != given:
        raise already_written(event.id)


def placed(event: TrailEvent, position: int, *, has_embedding: bool) -> TrailEvent:
    """The event as it is stored."""
    return replace(event, position=position, embedding=event.embedding if has_embedding else None)


def checked_key(value: str, field: str) -> str:
    """The text unchanged; raises InvalidInput for one that not every database can hold and find."""
    checked_id(value, field)
    size = len(value.encode())
    if not 0 < size <= MOST_KEY_BYTES:
        raise InvalidInput(f"{field} {value[:40]!r} has {size} bytes; 1 to {MOST_KEY_BYTES} are taken.", field=field)
    return value


def checked_keys(values: Sequence[str], field: str) -> list[str]:
    return [checked_key(value, field) for value in values]


def _check(event: TrailEvent) -> None:
    checked_key(event.memory, "memory")
    checked_key(event.id, "id")
    for field in ("decision_id", "payload_id"):
        if getattr(event, field) is not None:
            checked_key(getattr(event, field), field)
    if event.kind not in KINDS:
        raise InvalidInput(f"kind {event.kind!r} is none; known: {', '.join(KINDS)}.", field="kind")
    for field in FIGURES:
        _check_figure(getattr(event, field), field)
    if event.utility > 1:
        raise InvalidInput(f"utility is {event.utility!r}; it must lie in [0, 1].", field="utility")
    if event.embedding is not None:
        _check_embedding(event, event.embedding)


def _check_figure(value: float, field: str) -> None:
    if not math.isfinite(value) or value < 0:
        raise InvalidInput(f"{field} is {value!r}; it must be a number of at least 0.", field=field)


def _check_embedding(event: TrailEvent, embedding: bytes) -> None:
    if event.payload_id is None:
        raise InvalidInput(
            f"Trail event {event.id!r} has an embedding of no payload, which nobody could erase; name `payload_id`.",
            field="payload_id",
        )
    if len(embedding) > MOST_EMBEDDING_BYTES:
        raise InvalidInput(
            f"The embedding of trail event {event.id!r} has {len(embedding)} bytes; "
            f"at most {MOST_EMBEDDING_BYTES} are taken.",
            field="embedding",
        )


def _bytes(values: Mapping[str, Any], what: str, most: int) -> bytes:
    try:
        row = json.dumps(values, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass")
    except (RecursionError, TypeError, ValueError) as exc:
        raise InvalidInput(f"{what} has no JSON form: {exc!s:.200}.", field="body") from exc
    if len(row) > most:
        raise InvalidInput(f"{what} has {len(row)} bytes; at most {most} are taken.", field="body")
    return row


def _plain(row: bytes, what: str) -> dict[str, Any]:
    try:
        plain = json.loads(row.decode("utf-8", "surrogatepass"))
    except (RecursionError, ValueError) as exc:
        raise LogCorrupt(f"A stored {what} cannot be read: {exc}.") from exc
    if not isinstance(plain, dict):
        raise LogCorrupt(f"A stored {what} is JSON, but no object.")
    return plain
