"""The moves of jobs inside a write transaction: rows locked, changed by `storage.job_moves`, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain

from sqlalchemy import (
    BindParameter,
    Connection,
    RowMapping,
    and_,
    bindparam,
    exists,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from storage.canonical import iso
from storage.errors import RecordNotFound
from storage.job_forms import ended_row, event_row, job_row, kept_from, saved_row
from storage.job_moves import (
    Change,
    Kept,
    beat_of,
    before_end,
    claimed,
    ended,
    ensure_same_request,
    is_good,
    is_same_end,
    lease_lost,
    submitted,
)
from storage.job_records import Beat, Fence, Job, JobEnd, JobEvent
from storage.sql.batch import Batch
from storage.sql.fences import RUNNING
from storage.sql.hot import HotStatement
from storage.sql.store import chunks
from storage.sql.tables import job_events, jobs, webhook_deliveries
from storage.webhook_forms import delivery_row
from storage.webhook_records import Delivery
from storage.writing import Write, already_written

NO_KEY = "\x00"  # which no key can be
MOST_OVERDUE = 100  # queued jobs past their deadline that one claim ends

job = jobs.c
IDS: BindParameter[list[str]] = bindparam("ids", expanding=True)
NOW: BindParameter[str] = bindparam("now")
QUEUED = job.state == literal_column("'queued'")  # literals: only so can a database tell that a partial index will do
IS_DUE = and_(QUEUED, or_(job.not_before.is_(None), job.not_before <= NOW))
HAS_EXPIRED = and_(RUNNING, job.lease_expires_at <= NOW)
IS_OVERDUE = and_(QUEUED, job.deadline.is_not(None), job.deadline <= NOW)

FIELDS = tuple(column.name for column in jobs.columns)
OF_ID = select(jobs).where(job.id == bindparam("job_id"))
ONE, LOCKED = HotStatement(OF_ID), HotStatement(OF_ID.with_for_update())
SOME = select(jobs).where(job.id.in_(IDS))
# Not one query with "or": planned while the table is small, it would read the whole of it ever after.
OF_KEYS = select(jobs).where(job.tenant == bindparam("tenant"), job.idempotency_key.in_(IDS))
IN_ORDER = select(jobs).order_by(job.rank, job.position).limit(bindparam("most")).with_for_update(skip_locked=True)
DUE = IN_ORDER.where(IS_DUE)
EXPIRED = IN_ORDER.where(HAS_EXPIRED)
OVERDUE = select(jobs).where(IS_OVERDUE).limit(MOST_OVERDUE).with_for_update(skip_locked=True)
HAS_WORK = select(
    or_(*(exists(select(job.position).where(condition)) for condition in (IS_DUE, HAS_EXPIRED, IS_OVERDUE)))
)
LEASED = SOME.order_by(job.position).with_for_update()
ADD = insert(jobs)
SAVE = update(jobs).where(job.position == bindparam("place"))
PROLONG = update(jobs).where(job.id.in_(IDS)).values(lease_expires_at=bindparam("until"))
END = (
    update(jobs)
    .where(job.id == bindparam("job_id"), job.fence == bindparam("number"), RUNNING)
    .values(last_event=job.last_event + 1)
    .returning(jobs)
)
EVENT = select(job_events).where(job_events.c.job_id == bindparam("job_id"), job_events.c.seq == bindparam("seq"))


def submit(batch: Batch, given: Sequence[Job], writes: Sequence[Write]) -> list[Job]:
    """Adds those that are new; raises IdempotencyConflict, InvalidInput, and adds none."""
    known = _known(batch.connection, given)
    keys = {(each.tenant, each.idempotency_key): each for each in known.values() if each.idempotency_key is not None}
    new: dict[str, tuple[Job, Write]] = {}
    ids = []
    for one, write in zip(given, writes, strict=True):
        before = keys.get((one.tenant, one.idempotency_key or NO_KEY))
        if before is not None:
            ensure_same_request(one, before)
            ids.append(before.id)
            continue
        if batch.is_careful and one.id in known and known[one.id].payload_id == one.payload_id:
            ids.append(one.id)  # by this very submission, when the connection broke
            continue
        if one.id in known or one.id in new:
            raise already_written(one.id)
        new[one.id] = one, write
        ids.append(one.id)
        if one.idempotency_key is not None:
            keys[one.tenant, one.idempotency_key] = one
    for one, write in new.values():
        batch.write(write)
        known[one.id] = one
    changes = [submitted(one, position=batch.next_place(jobs)) for one, _ in new.values()]
    if changes:
        batch.connection.execute(ADD, [job_row(change.kept) for change in changes])
    for change in changes:
        _add(batch, change)
        known[change.kept.job.id] = change.kept.job
    return [known[job_id] for job_id in ids]


def claim(batch: Batch, worker: str, *, most: int, lease: timedelta, now: datetime) -> list[Job]:
    moment, until = {"now": iso(now)}, now + lease
    connection = batch.connection
    batch.fences.forget()
    _take(batch, [kept_from(row) for row in connection.execute(OVERDUE, moment).mappings()], worker, until, now)
    found: list[Job] = []
    while len(found) < most:
        need = most - len(found)
        values = {**moment, "most": need}
        rows = [*connection.execute(EXPIRED, values).mappings(), *connection.execute(DUE, values).mappings()]
        rows.sort(key=lambda row: (row["rank"], row["position"]))
        if not rows:
            break
        found += _take(batch, [kept_from(row) for row in rows[:need]], worker, until, now)
        if len(rows) < need:
            break
    return found


def is_claimed(connection: Connection, one: Job) -> bool:
    """Whether this very claim is in the database."""
    return one_job(connection, one.id).job == one


def one_job(connection: Connection, job_id: str, *, is_locked: bool = False) -> Kept:
    """Raises RecordNotFound."""
    row = (LOCKED if is_locked else ONE).first(connection, {"job_id": job_id})
    if row is None:
        raise RecordNotFound(f"No job {job_id!r}.")
    return kept_from(dict(zip(FIELDS, row, strict=True)))


def beat(connection: Connection, fences: Sequence[Fence], *, until: datetime) -> dict[str, Beat]:
    ids = sorted({fence.job_id for fence in fences})
    rows = chain.from_iterable(connection.execute(LEASED, {"ids": some}).mappings() for some in chunks(ids))
    known = {row["id"]: kept_from(row).job for row in rows}
    beats = {fence.job_id: beat_of(fence, known.get(fence.job_id)) for fence in fences}
    for some in chunks([job_id for job_id, each in beats.items() if each != "lost"]):
        connection.execute(PROLONG, {"ids": some, "until": iso(until)})
    return beats


def note(batch: Batch, fence: Fence, events: Sequence[JobEvent]) -> list[JobEvent]:
    """Numbers and adds the events; raises LeaseLost."""
    first = batch.fences.count(fence, len(events)) - len(events) + 1
    numbered = [replace(each, job_id=fence.job_id, seq=first + count) for count, each in enumerate(events)]
    batch.rows[job_events] += [event_row(each) for each in numbered]
    return numbered


def is_noted(connection: Connection, event: JobEvent) -> bool:
    """Whether this very event is in the database."""
    row = connection.execute(EVENT, {"job_id": event.job_id, "seq": event.seq}).mappings().one_or_none()
    return row is not None and dict(row) == event_row(event)


def fenced(batch: Batch, fence: Fence) -> Kept:
    """The job, locked; raises LeaseLost."""
    batch.fences.forget(fence.job_id)
    kept = _locked(batch.connection, fence)
    if not is_good(fence, kept.job):
        raise lease_lost(fence)
    return kept


def finish(
    batch: Batch, fence: Fence, end: JobEnd, *, at: datetime, write: Write, deliveries: Sequence[Delivery]
) -> Job:
    """The job at its end, and the result with it; or as it is, when this very end is there already.

    In one round, but where it may be there already: then the result may be, too, and is looked up before a row changes.
    """
    batch.fences.forget(fence.job_id)
    if not batch.is_careful:
        values = {"job_id": fence.job_id, "number": fence.number, **ended_row(end, at)}
        row = batch.connection.execute(END, values).mappings().one_or_none()
        if row is not None:
            made = ended(before_end(kept_from(row)), end, at=at, deliveries=deliveries)
            batch.write(write)
            _add(batch, made)
            return made.kept.job
    kept = _locked(batch.connection, fence)
    if is_same_end(kept.job, fence, end):
        return kept.job
    if not is_good(fence, kept.job):
        raise lease_lost(fence)
    made = ended(kept, end, at=at, deliveries=deliveries)
    batch.write(write)
    keep(batch, [made])
    return made.kept.job


def keep(batch: Batch, changes: Sequence[Change]) -> None:
    """What the moves of jobs that are there change and add."""
    rows = [{"place": change.kept.job.position, **saved_row(change.kept)} for change in changes]
    if rows:
        batch.connection.execute(SAVE, rows)
    for change in changes:
        _add(batch, change)


def _locked(connection: Connection, fence: Fence) -> Kept:
    row = LOCKED.first(connection, {"job_id": fence.job_id})
    if row is None:
        raise lease_lost(fence)
    return kept_from(dict(zip(FIELDS, row, strict=True)))


def _take(batch: Batch, waiting: Sequence[Kept], worker: str, until: datetime, now: datetime) -> list[Job]:
    """Claims them, but for those that are ended instead."""
    changes = [claimed(kept, worker, lease_expires_at=until, now=now) for kept in waiting]
    keep(batch, changes)
    return [change.kept.job for change in changes if change.kept.job.state == "running"]


def _add(batch: Batch, change: Change) -> None:
    batch.rows[job_events] += [event_row(event) for event in change.events]
    for entry in change.entries:
        batch.append(entry)
    for delivery in change.deliveries:
        placed = replace(delivery, position=batch.next_place(webhook_deliveries))
        batch.rows[webhook_deliveries].append(delivery_row(placed))
    if change.was is not None:
        batch.more_jobs[change.was] -= 1
    batch.more_jobs[change.kept.job.state] += 1


def _known(connection: Connection, given: Sequence[Job]) -> dict[str, Job]:
    """By id: the jobs that are there with an id or a key of these."""
    tenant_to_keys: dict[str, list[str]] = {}
    for one in given:
        if one.idempotency_key is not None:
            tenant_to_keys.setdefault(one.tenant, []).append(one.idempotency_key)
    found: list[RowMapping] = []
    for some in chunks([one.id for one in given]):
        found += connection.execute(SOME, {"ids": some}).mappings()
    for tenant, keys in tenant_to_keys.items():
        for some in chunks(keys):
            found += connection.execute(OF_KEYS, {"tenant": tenant, "ids": some}).mappings()
    return {row["id"]: kept_from(row).job for row in found}
