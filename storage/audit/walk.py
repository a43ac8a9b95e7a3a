"""The log, event by event: places, chains, columns, and what an event means among those before it. Does no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from storage.audit.columns import Record, field_of, record_of
from storage.audit.findings import BadEvent, Broken, bad_event
from storage.audit_records import LoggedRow
from storage.chain import GENESIS_HASH, LEAF_PREFIX
from storage.checkpoint_records import Head

GENESIS = bytes.fromhex(GENESIS_HASH)
FILED_KINDS = ("router_registered", "skill_versioned")


@dataclass(slots=True)
class Chain:
    """The newest link of a writer."""

    seq: int
    hash: bytes


@dataclass(slots=True)
class Quote:
    """An event that names a payload; `erased_at` when it says that the payload was erased."""

    event: LoggedRow
    payload_id: str
    digest: str
    erased_at: str | None = None


@dataclass(slots=True)
class Checked:
    """What a stretch of the log holds, up to the first event that is wrong."""

    leaves: list[bytes] = field(default_factory=list)
    quotes: list[Quote] = field(default_factory=list)
    filed: list[tuple[LoggedRow, Record]] = field(default_factory=list)  # events that quote files
    bad: BadEvent | None = None


@dataclass
class Walk:
    """What is known of the log up to here. Memory grows by the ids of the decisions, about 100 bytes each."""

    position: int = 0
    chains: dict[str, Chain] = field(default_factory=dict)
    grown: set[str] = field(default_factory=set)  # chains with events since the last writer opened
    decisions: set[str] = field(default_factory=set)

    def check(self, rows: Sequence[LoggedRow]) -> Checked:
        """Goes on over these rows."""
        found = Checked()
        for row in rows:
            try:
                self._check(row, found)
            except Broken as exc:
                found.bad = bad_event(row, str(exc))
                break
            except (KeyError, TypeError) as exc:
                found.bad = bad_event(row, f"the record lacks what a {row.kind!r} must have ({exc!r})")
                break
        return found

    def head(self, writer: str) -> Head | None:
        chain = self.chains.get(writer)
        return None if chain is None else Head(writer=writer, seq=chain.seq, chain_hash=chain.hash.hex())

    def _check(self, row: LoggedRow, found: Checked) -> None:
        position, writer, seq, kind, *_, canonical, leaf_hash, chain_hash = row
        if position != self.position + 1:
            raise Broken(_misplaced(self.position + 1, position))
        chain = self.chains.get(writer)
        if seq != (0 if chain is None else chain.seq + 1):
            expected = 0 if chain is None else chain.seq + 1
            raise Broken(f"seq is {seq!r} where the chain of {writer!r} goes on with {expected}")
        text = _bytes_of(canonical)
        leaf = sha256(LEAF_PREFIX + text).digest()
        if leaf.hex() != leaf_hash:
            raise Broken("leaf_hash is not that of the stored text")
        linked = sha256((GENESIS if chain is None else chain.hash) + leaf).digest()
        if linked.hex() != chain_hash:
            raise Broken("chain_hash does not follow from the event before it in its chain")
        record = record_of(row, text)
        self._check_meaning(row, record, is_first=chain is None)
        if record.payload_id or kind == "payload_erased":
            found.quotes.append(_quote(row, record))
        elif kind in FILED_KINDS:
            found.filed.append((row, record))
        found.leaves.append(leaf)
        self.position = position
        if chain is None:
            self.chains[writer] = Chain(seq, linked)
        else:
            chain.seq, chain.hash = seq, linked
        self.grown.add(writer)

    def _check_meaning(self, row: LoggedRow, record: Record, *, is_first: bool) -> None:
        kind, decision_id = row.kind, row.decision_id
        if kind == "decision":
            self.decisions.add(row.subject_id)
        elif decision_id is not None and decision_id not in self.decisions:
            raise Broken(f"its decision {decision_id!r} does not stand before it in the log")
        if is_first != (kind == "writer_opened"):
            raise Broken("a chain must start with writer_opened" if is_first else "writer_opened stands inside a chain")
        if is_first:
            self._check_opening(row, record)

    def _check_opening(self, row: LoggedRow, record: Record) -> None:
        if record.id != row.writer:
            raise Broken(f"column writer is {row.writer!r}, the record says {record.id!r}")
        quoted = {each["writer"]: Head(**each) for each in field_of(record, "heads")}
        for writer in sorted(self.grown | quoted.keys()):
            if quoted.get(writer) != self.head(writer):
                raise Broken(f"the chain of {writer!r} is not as this writer found it when it opened")
        self.grown.clear()


def _quote(row: LoggedRow, record: Record) -> Quote:
    if row.kind == "payload_erased":
        return Quote(row, record.id, field_of(record, "digest"), row.at)
    return Quote(row, record.payload_id, field_of(record, "payload_digest"))


def _bytes_of(canonical: object) -> bytes:
    """SQLite gives the bytes as they stand."""
    if isinstance(canonical, bytes):
        return canonical
    if not isinstance(canonical, str):
        raise Broken(f"canonical is no text but {type(canonical).__name__}")
    return canonical.encode("utf-8", "surrogatepass")


def _misplaced(expected: int, found: int) -> str:
    if found < expected:
        return f"stands at position {found} where the log has {expected}"
    gone = f"event {expected} is" if found == expected + 1 else f"events {expected} to {found - 1} are"
    return f"{gone} missing before it"
