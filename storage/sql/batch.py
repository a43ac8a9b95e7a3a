"""One write transaction: collects rows of several callers and inserts them table by table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, select, update

from storage.canonical import Entry
from storage.chain import Head, head_of, linked, opening
from storage.job_records import Fence
from storage.records import AuditEvent, Payload, utc_now
from storage.sql.fences import Fences
from storage.sql.hot import HotStatement, hot_insert
from storage.sql.ledger import Ledger
from storage.sql.lookups import grown_heads, known_decisions, known_digests, unwritten
from storage.sql.tables import audit_events, job_events, job_totals, payloads, spans, webhook_deliveries
from storage.writing import StagedSpan, Write, ensure_decisions, ensure_payloads

Row = dict[str, Any]

LAST_POSITION = HotStatement(select(func.max(audit_events.c.position)))
EVENT_FIELDS = tuple(column.name for column in audit_events.columns)
INSERTS = {each: hot_insert(each) for each in (audit_events, payloads, spans, job_events, webhook_deliveries)}
COUNT_JOBS = HotStatement(
    update(job_totals)
    .where(job_totals.c.state == bindparam("of_state"))
    .values(jobs=job_totals.c.jobs + bindparam("more"))
)


class Known:
    """Ids of decisions and payloads (with their digest) that are surely in the log; bounded, the oldest go first.

    Both the event loop and the writer thread add; the lock keeps one from growing it while the other looks for
    the oldest.
    """

    def __init__(self, capacity: int = 10_000) -> None:
        self.capacity = capacity
        self.lock = Lock()
        self.decisions: dict[str, None] = {}
        self.digests: dict[str, str] = {}

    def add(self, decision_ids: Iterable[str], digests: Mapping[str, str]) -> None:
        with self.lock:
            self.decisions.update(dict.fromkeys(decision_ids))
            self.digests.update(digests)
            for kept in (self.decisions, self.digests):
                while len(kept) > self.capacity:
                    del kept[next(iter(kept))]

    def forget(self, write: Write) -> None:
        with self.lock:
            for decision_id in write.decision_ids:
                self.decisions.pop(decision_id, None)
            for payload_id in write.payloads:
                self.digests.pop(payload_id, None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Needs:
    """What an operation will look at. Where each look is a round trip, one look serves all operations of a batch."""

    fence: Fence | None = None
    accounts: tuple[str, ...] = ()
    hold_id: str | None = None


NO_NEEDS = Needs()


class Batch:
    """The transaction's rows. `is_careful` looks each item up first, so that one written before is skipped."""

    def __init__(
        self, connection: Connection, *, writer: str, head: Head | None, known: Known, is_careful: bool
    ) -> None:
        self.connection = connection
        self.writer = writer
        self.head = head
        self.known = known
        self.is_careful = is_careful
        self.ledger = Ledger(connection, is_careful=is_careful)
        self.fences = Fences(connection)
        self.position: int | None = None
        self.rows: dict[Table, list[Row]] = {each: [] for each in INSERTS}
        self.places: dict[Table, int] = {}  # of the newest row, of tables whose rows are numbered without gaps
        self.more_jobs: Counter[str] = Counter()  # by state; fewer where it is below zero
        self.new_decisions: dict[str, None] = {}
        self.new_digests: dict[str, str] = {}

    def look_ahead(self, needs: Iterable[Needs]) -> None:
        """Reads what these look at, on PostgreSQL: fences, holds and accounts in a round trip each."""
        given = [each for each in needs if each is not NO_NEEDS]
        self.fences.look({each.fence.job_id for each in given if each.fence is not None})
        self.ledger.look(
            account_ids={account_id for each in given for account_id in each.accounts},
            hold_ids={each.hold_id for each in given if each.hold_id is not None},
        )

    def write(self, write: Write) -> None:
        """Takes all items or, raising RecordNotFound or InvalidInput, none."""
        self._ensure_known(write)
        entries, texts, steps = list(write.entries.values()), list(write.payloads.values()), list(write.spans.values())
        if self.is_careful:
            entries, texts, steps = unwritten(self.connection, write)
        for entry in entries:
            self.append(entry)
        self.rows[payloads] += [payload_row(payload) for payload in texts]
        self.rows[spans] += [span_row(span) for span in steps]
        self.new_decisions.update(dict.fromkeys(write.decision_ids))
        self.new_digests.update({each.id: each.digest for each in texts})

    def append(self, entry: Entry) -> None:
        """Puts the entry at the end of this writer's chain and of the log."""
        if self.position is None:
            self.position = LAST_POSITION.rows(self.connection, {})[0][0] or 0
        if self.head is None:
            self._link(opening(self.writer, grown_heads(self.connection), at=utc_now()))
        self._link(entry)

    def next_place(self, table: Table) -> int:
        """The place after all rows of this table, those of this transaction included."""
        if table not in self.places:
            self.places[table] = self.connection.execute(select(func.max(table.c.position))).scalar() or 0
        self.places[table] += 1
        return self.places[table]

    def insert(self) -> None:
        """Sends what was collected so far."""
        self.ledger.flush()
        self.fences.flush()
        for table, rows in self.rows.items():
            if rows:
                INSERTS[table].each(self.connection, rows)
                rows.clear()
        totals = [{"of_state": state, "more": more} for state, more in sorted(self.more_jobs.items()) if more]
        COUNT_JOBS.each(self.connection, totals)
        self.more_jobs.clear()

    def _link(self, entry: Entry) -> None:
        self.position = (self.position or 0) + 1
        event = linked(entry, writer=self.writer, head=self.head, position=self.position)
        self.head = head_of(event)
        self.rows[audit_events].append(event_row(event))

    def _ensure_known(self, write: Write) -> None:
        decisions = [each for each in write.needed_decisions if each not in self.known.decisions]
        decisions = [each for each in decisions if each not in self.new_decisions]
        if decisions:
            ensure_decisions(decisions, known_decisions(self.connection, decisions))
        ensure_payloads(write, self._digests(write.needed_payloads))

    def _digests(self, payload_ids: list[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for known in (self.known.digests, self.new_digests):
            found |= {each: known[each] for each in payload_ids if each in known}
        missing = [each for each in payload_ids if each not in found]
        return found | known_digests(self.connection, missing) if missing else found


def payload_row(payload: Payload) -> Row:
    text = None if payload.text is None else payload.text.encode("utf-8", "surrogatepass")
    return {"id": payload.id, "text": text, "salt": payload.salt, "digest": payload.digest, "erased_at": None}


def span_row(span: StagedSpan) -> Row:
    return {"id": span.id, "run_id": span.run_id, "started_at": span.started_at, "record": span.text}


def event_row(event: AuditEvent) -> Row:
    return {name: getattr(event, name) for name in EVENT_FIELDS}
