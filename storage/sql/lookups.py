"""What a writer asks the database before it writes: who is known, what was written before, which chains there are."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BindParameter, Connection, Select, and_, bindparam, func, select

from storage.canonical import Entry
from storage.chain import Head
from storage.records import Payload
from storage.sql.tables import audit_events, payloads, spans
from storage.writing import StagedSpan, Write, already_written

events = audit_events.c
IDS: BindParameter[list[str]] = bindparam("ids", expanding=True)

DECISIONS = select(events.subject_id).where(events.kind == "decision", events.subject_id.in_(IDS))
DIGESTS = select(payloads.c.id, payloads.c.digest).where(payloads.c.id.in_(IDS))
TEXTS = select(payloads.c.id, payloads.c.digest, payloads.c.salt).where(payloads.c.id.in_(IDS))
SPANS = select(spans.c.id, spans.c.record).where(spans.c.id.in_(IDS))
ENTRIES = select(events.kind, events.subject_id, events.canonical).where(events.subject_id.in_(IDS))
OWN_HEAD = (
    select(events.writer, events.seq, events.chain_hash)
    .where(events.writer == bindparam("writer"))
    .order_by(events.seq.desc())
    .limit(1)
)
LAST_OPENING = select(func.max(events.position)).where(events.kind == "writer_opened")


def _heads_since() -> Select[tuple[str, int, str]]:
    steps, counted = audit_events.alias("steps"), audit_events.alias("counted")
    writers = select(func.min(steps.c.writer).label("writer")).cte("writers", recursive=True)
    following = select(func.min(counted.c.writer)).where(counted.c.writer > writers.c.writer)
    writers = writers.union_all(
        select(following.correlate(writers).scalar_subquery()).where(writers.c.writer.is_not(None))
    )
    newest = select(func.max(counted.c.seq)).where(counted.c.writer == writers.c.writer).correlate(writers)
    return (
        select(events.writer, events.seq, events.chain_hash)
        .select_from(writers)
        .join(audit_events, and_(events.writer == writers.c.writer, events.seq == newest.scalar_subquery()))
        .where(events.position >= bindparam("since"))
    )


HEADS_SINCE = _heads_since()


def known_decisions(connection: Connection, decision_ids: Sequence[str]) -> set[str]:
    return set(connection.execute(DECISIONS, {"ids": list(decision_ids)}).scalars())


def known_digests(connection: Connection, payload_ids: Sequence[str]) -> dict[str, str]:
    return {row.id: row.digest for row in connection.execute(DIGESTS, {"ids": list(payload_ids)})}


def own_head(connection: Connection, writer: str) -> Head | None:
    """The newest link of this writer's chain; None: it has none yet."""
    row = connection.execute(OWN_HEAD, {"writer": writer}).one_or_none()
    return None if row is None else Head(writer=row.writer, seq=row.seq, chain_hash=row.chain_hash)


def grown_heads(connection: Connection) -> list[Head]:
    """Heads of the chains that have events since the last `writer_opened`, that one included.

    Steps from writer to writer along the index: its cost grows with the writers, not with the events.
    """
    since = connection.execute(LAST_OPENING).scalar() or 0
    heads = connection.execute(HEADS_SINCE, {"since": since})
    return [Head(writer=row.writer, seq=row.seq, chain_hash=row.chain_hash) for row in heads]


def unwritten(connection: Connection, write: Write) -> tuple[list[Entry], list[Payload], list[StagedSpan]]:
    """The items that are not there yet; raises InvalidInput for one whose id is taken by other content."""
    known_entries = {
        (row.kind, row.subject_id): row.canonical
        for row in connection.execute(ENTRIES, {"ids": [entry.subject_id for entry in write.entries.values()]})
    }
    known_texts = {row.id: (row.digest, row.salt) for row in connection.execute(TEXTS, {"ids": list(write.payloads)})}
    known_spans = {row.id: row.record for row in connection.execute(SPANS, {"ids": list(write.spans)})}
    for key, entry in write.entries.items():
        _ensure_same(key[1], known_entries.get(key, entry.canonical), entry.canonical)
    for payload in write.payloads.values():
        said = (payload.digest, payload.salt)
        _ensure_same(payload.id, known_texts.get(payload.id, said), said)
    for span in write.spans.values():
        _ensure_same(span.id, known_spans.get(span.id, span.text), span.text)
    return (
        [entry for key, entry in write.entries.items() if key not in known_entries],
        [payload for payload in write.payloads.values() if payload.id not in known_texts],
        [span for span in write.spans.values() if span.id not in known_spans],
    )


def _ensure_same(item_id: str, known: object, given: object) -> None:
    if known != given:
        raise already_written(item_id)
