"""Checks the whole audit log against itself and the payloads it quotes, and names the first event that is wrong.

Found are: a changed column of an event or of a quoted payload, an event that was removed, added or moved, a chain
whose tail was cut before a later writer opened. Not found from inside is a tail cut off the whole log, nor one
rewritten with fresh hashes, for the chain has no key: that takes a copy of the newest chain hash kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from operator import itemgetter

from storage.canonical import COLUMNS, Plain, moment_of, parsed
from storage.chain import GENESIS_HASH, LEAF_PREFIX, Head
from storage.errors import LogCorrupt
from storage.records import AuditEvent, Payload, payload_digest
from storage.stores import AuditLog, Stores

BATCH_EVENTS = 500  # small enough to stay in the processor's cache
BEFORE_EVERYTHING = -(2**63)
GENESIS = bytes.fromhex(GENESIS_HASH)

# Kind to a getter of all its column fields at once; an empty column is read from a key that no record has.
EMPTY = "\x00"
KIND_TO_COLUMNS = {kind: itemgetter(*(name or EMPTY for name in names)) for kind, names in COLUMNS.items()}
COLUMN_NAMES = ("subject_id", "decision_id", "run_id", "tenant", "candidate_id", "policy", "at")


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
class Verification:
    """What a walk through the whole log found."""

    is_whole: bool
    events_checked: int
    writers: int
    first_bad_event: BadEvent | None
    erased_payloads: int


class _Broken(Exception):
    """This event is wrong, for this reason."""


@dataclass(slots=True)
class _Chain:
    seq: int
    hash: bytes


@dataclass(slots=True)
class _Quote:
    """An event that names a payload; `erased_at` when it says that the payload was erased."""

    event: AuditEvent
    payload_id: str
    digest: str
    erased_at: str | None = None


@dataclass
class _Walk:
    """What is known of the log up to here."""

    position: int = 0
    checked: int = 0
    chains: dict[str, _Chain] = field(default_factory=dict)
    grown: set[str] = field(default_factory=set)  # chains with events since the last writer opened
    decisions: set[str] = field(default_factory=set)
    # erased payload to the first event that quotes it, until the log is seen to say that it was erased
    unexplained: dict[str, AuditEvent] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)


async def verify(stores: Stores, *, on_progress: Callable[[int], None] | None = None) -> Verification:
    """Walks the whole log in batches; `on_progress` hears how many events were checked so far.

    Memory grows by the ids of the decisions, about 100 bytes each. Raises StorageUnavailable when the log cannot
    be read; what is read and wrong is no error but the result.
    """
    walk = _Walk()
    bad: BadEvent | None = None
    after = BEFORE_EVERYTHING
    while bad is None:
        events, damage = await _read(stores.audit, after)
        if not events and damage is None:
            break
        after = events[-1].position if events else after
        bad = await _check_batch(walk, events, stores.audit) or damage
        if on_progress is not None:
            on_progress(walk.checked)
    if bad is None and walk.unexplained:
        event = min(walk.unexplained.values(), key=lambda each: each.position)
        bad = _bad(event, "a payload that it quotes is erased, and no event says so")
    return Verification(
        is_whole=bad is None,
        events_checked=walk.checked,
        writers=len(walk.chains),
        first_bad_event=bad,
        erased_payloads=len(walk.erased),
    )


async def _read(audit: AuditLog, after: int) -> tuple[Sequence[AuditEvent], BadEvent | None]:
    """The next events, and the row after them if the database itself can no longer read it."""
    try:
        return await audit.events(after_position=after, limit=BATCH_EVENTS), None
    except LogCorrupt:
        return await _read_up_to_damage(audit, after)


async def _read_up_to_damage(audit: AuditLog, after: int) -> tuple[Sequence[AuditEvent], BadEvent | None]:
    events: list[AuditEvent] = []
    while True:
        try:
            following = await audit.events(after_position=after, limit=1)
        except LogCorrupt as exc:
            position = max(after, 0) + 1
            return events, BadEvent(position=position, writer="", seq=-1, kind="", subject_id="", reason=str(exc))
        if not following:
            return events, None
        events += following
        after = following[-1].position


async def _check_batch(walk: _Walk, events: Sequence[AuditEvent], audit: AuditLog) -> BadEvent | None:
    """Checks chain and columns of all events first, then the payloads of those that are right."""
    bad: BadEvent | None = None
    quotes: list[_Quote] = []
    for event in events:
        try:
            record = _check_event(walk, event)
        except (_Broken, LogCorrupt) as exc:
            bad = _bad(event, str(exc))
            break
        except (KeyError, TypeError) as exc:
            bad = _bad(event, f"the record lacks what a {event.kind!r} must have ({exc!r})")
            break
        walk.checked += 1
        if event.kind == "payload_erased":
            quotes.append(_Quote(event, record["id"], record["digest"], record["erased_at"]))
        elif record.get("payload_id"):
            quotes.append(_Quote(event, record["payload_id"], record["payload_digest"]))
    return await _check_payloads(walk, quotes, audit) or bad


def _check_event(walk: _Walk, event: AuditEvent) -> Plain:
    if event.position != walk.position + 1:
        raise _Broken(_misplaced(walk.position + 1, event.position))
    chain = walk.chains.get(event.writer)
    expected_seq = 0 if chain is None else chain.seq + 1
    if event.seq != expected_seq:
        raise _Broken(f"seq is {event.seq!r} where the chain of {event.writer!r} goes on with {expected_seq}")
    if not isinstance(event.canonical, str):
        raise _Broken(f"canonical is no text but {type(event.canonical).__name__}")
    leaf = sha256(LEAF_PREFIX + event.canonical.encode("utf-8", "surrogatepass")).digest()
    if leaf.hex() != event.leaf_hash:
        raise _Broken("leaf_hash is not that of the stored text")
    linked = sha256((GENESIS if chain is None else chain.hash) + leaf).digest()
    if linked.hex() != event.chain_hash:
        raise _Broken("chain_hash does not follow from the event before it in its chain")
    record = parsed(event.canonical)
    _check_columns(event, record)
    _check_meaning(walk, event, record, is_first=chain is None)
    walk.position = event.position
    walk.chains[event.writer] = _Chain(event.seq, linked)
    walk.grown.add(event.writer)
    return record


def _check_columns(event: AuditEvent, record: Plain) -> None:
    stored = (
        event.subject_id,
        event.decision_id,
        event.run_id,
        event.tenant,
        event.candidate_id,
        event.policy,
        event.at,
    )
    if record.get("kind") != event.kind:
        raise _Broken(f"column kind is {event.kind!r}, the record says {record.get('kind')!r}")
    if event.kind not in KIND_TO_COLUMNS:
        raise _Broken(f"kind {event.kind!r} is unknown to this version")
    record[EMPTY] = None
    said = KIND_TO_COLUMNS[event.kind](record)
    if stored != said:
        name, column, value = next(each for each in zip(COLUMN_NAMES, stored, said, strict=True) if each[1] != each[2])
        raise _Broken(f"column {name} is {column!r}, the record says {value!r}")


def _check_meaning(walk: _Walk, event: AuditEvent, record: Plain, *, is_first: bool) -> None:
    if event.kind == "decision":
        walk.decisions.add(event.subject_id)
    elif event.decision_id is not None and event.decision_id not in walk.decisions:
        raise _Broken(f"its decision {event.decision_id!r} does not stand before it in the log")
    if is_first != (event.kind == "writer_opened"):
        raise _Broken("a chain must start with writer_opened" if is_first else "writer_opened stands inside a chain")
    if is_first:
        _check_opening(walk, event, record)


def _check_opening(walk: _Walk, event: AuditEvent, record: Plain) -> None:
    if record["id"] != event.writer:
        raise _Broken(f"column writer is {event.writer!r}, the record says {record['id']!r}")
    quoted = {each["writer"]: Head(**each) for each in record["heads"]}
    for writer in sorted(walk.grown | quoted.keys()):
        chain = walk.chains.get(writer)
        seen = Head(writer=writer, seq=chain.seq, chain_hash=chain.hash.hex()) if chain else None
        if quoted.get(writer) != seen:
            raise _Broken(f"the chain of {writer!r} is not as this writer found it when it opened")
    walk.grown.clear()


async def _check_payloads(walk: _Walk, quotes: Sequence[_Quote], audit: AuditLog) -> BadEvent | None:
    try:
        rows = await audit.payloads(list({quote.payload_id: None for quote in quotes}))
    except LogCorrupt:
        rows = {}  # one of them cannot be read: ask for each alone
    for quote in quotes:
        try:
            payload = rows.get(quote.payload_id) or (await audit.payloads([quote.payload_id])).get(quote.payload_id)
            _check_payload(walk, quote, payload)
        except (_Broken, LogCorrupt) as exc:
            return _bad(quote.event, f"payload {quote.payload_id!r}: {exc}")
    return None


def _check_payload(walk: _Walk, quote: _Quote, payload: Payload | None) -> None:
    if payload is None:
        raise _Broken("the row is missing")
    if payload.digest != quote.digest:
        raise _Broken("the row's digest is not the one that was logged")
    if quote.erased_at is not None:
        if payload.erased_at != moment_of(quote.erased_at):
            raise _Broken("the log says that it was erased, the row does not, or at another time")
        walk.erased.add(payload.id)
        walk.unexplained.pop(payload.id, None)
    if payload.text is not None and payload.salt is not None and payload.erased_at is None:
        if payload_digest(payload.salt, payload.text) != quote.digest:
            raise _Broken("its text or salt was changed: they do not hash to the digest that was logged")
    elif payload.text is not None or payload.salt is not None or payload.erased_at is None:
        raise _Broken("the row is neither whole nor erased")
    elif payload.id not in walk.erased:
        walk.unexplained.setdefault(payload.id, quote.event)


def _misplaced(expected: int, found: int) -> str:
    if found < expected:
        return f"stands at position {found} where the log has {expected}"
    gone = f"event {expected} is" if found == expected + 1 else f"events {expected} to {found - 1} are"
    return f"{gone} missing before it"


def _bad(event: AuditEvent, reason: str) -> BadEvent:
    return BadEvent(
        position=event.position,
        writer=event.writer,
        seq=event.seq,
        kind=event.kind,
        subject_id=event.subject_id,
        reason=reason,
    )
