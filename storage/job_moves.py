"""What can become of a job: each move as a pure change, with the events, log entries and messages it brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from storage.canonical import Entry, checked_id, entry_from, iso
from storage.errors import IdempotencyConflict, InvalidInput, LeaseLost
from storage.job_records import (
    HIGHEST_PRIORITY,
    LOWEST_PRIORITY,
    Beat,
    Fence,
    Job,
    JobEnd,
    JobEvent,
    JobEventKind,
    JobState,
)
from storage.records import Payload
from storage.webhook_forms import end_delivery
from storage.webhook_records import Delivery
from storage.writing import Write, staged

CHECKED = ("id", "run_id", "tenant", "principal", "account_id", "workflow", "payload_id")
TIMES = ("created_at", "deadline", "not_before")
LONGEST_LEASE_SECONDS = 86_400
STORES_OWN: dict[str, Any] = {
    "state": "queued",
    "fence": 0,
    "worker": None,
    "lease_expires_at": None,
    "is_cancel_requested": False,
    "started_at": None,
    "ended_at": None,
    "result_payload_id": None,
    "result_digest": None,
    "error_code": None,
    "error_message": None,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A job as a store keeps it: with the number of its newest event."""

    job: Job
    last_event: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A job after a move, and all that is written with it."""

    kept: Kept
    was: JobState | None  # None: the job is new
    events: Sequence[JobEvent] = ()
    entries: Sequence[Entry] = ()
    deliveries: Sequence[Delivery] = ()


def checked_job(job: Job, payload: Payload) -> Write:
    """The request ready to be stored. Raises InvalidInput for a job that could not be read back or verified."""
    for name in CHECKED:
        checked_id(getattr(job, name), name)
    for name in TIMES:
        if getattr(job, name) is not None:
            iso(getattr(job, name), field=name)
    if job.idempotency_key is not None:
        checked_id(job.idempotency_key, "idempotency_key")
    if not LOWEST_PRIORITY <= job.priority <= HIGHEST_PRIORITY:
        raise InvalidInput(
            f"priority is {job.priority!r}; give {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}.", field="priority"
        )
    if (job.payload_id, job.payload_digest) != (payload.id, payload.digest):
        raise InvalidInput(
            f"Job {job.id!r} quotes payload {job.payload_id!r}, and comes with {payload.id!r}.", field="payload_id"
        )
    return staged((payload,))


def checked_lease(lease_seconds: float) -> timedelta:
    """Raises InvalidInput for a lease that would be over at once."""
    if not 0 < lease_seconds <= LONGEST_LEASE_SECONDS:
        raise InvalidInput(
            f"lease_seconds is {lease_seconds!r}; give more than 0, up to {LONGEST_LEASE_SECONDS}.",
            field="lease_seconds",
        )
    return timedelta(seconds=lease_seconds)


def ensure_same_request(job: Job, known: Job) -> None:
    """Raises IdempotencyConflict where the job's key was used for something else."""
    if known.request_sha256 != job.request_sha256:
        raise IdempotencyConflict(
            f"The idempotency key {job.idempotency_key!r} was used for another request, job {known.id!r}."
        )


def submitted(job: Job, *, position: int) -> Change:
    """The new job, queued."""
    kept = Kept(job=replace(job, position=position, **STORES_OWN))
    values = {
        "id": job.id,
        "run_id": job.run_id,
        "tenant": job.tenant,
        "principal": job.principal,
        "account_id": job.account_id,
        "workflow": job.workflow,
        "payload_id": job.payload_id,
        "payload_digest": job.payload_digest,
        "created_at": job.created_at,
    }
    change = _moved(kept, "queued", job.created_at, {})
    return replace(change, was=None, entries=(entry_from("job_submitted", values),))


def claimed(kept: Kept, worker: str, *, lease_expires_at: datetime, now: datetime) -> Change:
    """The job in this worker's hands under a new fence; one that nobody may run any more is ended instead."""
    end = end_of_doomed(kept.job, now)
    if end is not None:
        return ended(kept, end, at=now)
    fence = kept.job.fence + 1
    kind: JobEventKind = "started" if kept.job.started_at is None else "resumed"
    return _moved(
        kept,
        kind,
        now,
        {"worker": worker, "fence": str(fence)},
        state="running",
        fence=fence,
        worker=worker,
        lease_expires_at=lease_expires_at,
        started_at=kept.job.started_at or now,
    )


def end_of_doomed(job: Job, now: datetime) -> JobEnd | None:
    """How a job ends that no worker has and none may have; None: it may be run."""
    if job.is_cancel_requested:
        return JobEnd(state="cancelled")
    if job.deadline is not None and job.deadline <= now:
        message = f"The deadline, {iso(job.deadline)}, passed before the job was done."
        return JobEnd(state="failed", error_code="deadline_exceeded", error_message=message)
    return None


def noted(kept: Kept, events: Sequence[JobEvent]) -> Change:
    """The job with these events after those it has."""
    numbered = [
        replace(event, job_id=kept.job.id, seq=kept.last_event + count) for count, event in enumerate(events, start=1)
    ]
    after = Kept(job=kept.job, last_event=kept.last_event + len(numbered))
    return Change(kept=after, was=kept.job.state, events=numbered)


def ended(kept: Kept, end: JobEnd, *, at: datetime, deliveries: Sequence[Delivery] | None = None) -> Change:
    """The job for good in its last state; without `deliveries` the store itself says so to who asked for it."""
    result = end.result
    data = dict(end.data) if end.error_code is None else {"error_code": end.error_code, **end.data}
    change = _moved(
        kept,
        end.state,
        at,
        data,
        state=end.state,
        worker=None,
        lease_expires_at=None,
        ended_at=at,
        result_payload_id=None if result is None else result.id,
        result_digest=None if result is None else result.digest,
        error_code=end.error_code,
        error_message=end.error_message,
    )
    job = change.kept.job
    values = {
        "id": job.id,
        "run_id": job.run_id,
        "tenant": job.tenant,
        "state": job.state,
        "fence": job.fence,
        "error_code": job.error_code,
        "payload_id": job.result_payload_id,
        "payload_digest": job.result_digest,
        "ended_at": at,
    }
    own = end_delivery(job)
    told = deliveries if deliveries is not None else () if own is None else (own,)
    return replace(change, entries=(entry_from("job_ended", values),), deliveries=told)


def before_end(kept: Kept) -> Kept:
    """The job that `ended` made this of, so far as `ended` asks."""
    return Kept(job=replace(kept.job, state="running"), last_event=kept.last_event - 1)


def released(kept: Kept, *, at: datetime) -> Change:
    """The job queued again, as if it had waited all the time."""
    data = {"fence": str(kept.job.fence)}
    return _moved(kept, "released", at, data, state="queued", worker=None, lease_expires_at=None)


def cancelled(kept: Kept, *, at: datetime) -> Change | None:
    """What a wish to cancel does; None: nothing any more."""
    if kept.job.state == "queued":
        return ended(kept, JobEnd(state="cancelled"), at=at)
    if kept.job.has_ended or kept.job.is_cancel_requested:
        return None
    return _moved(kept, "cancel_requested", at, {}, is_cancel_requested=True)


def is_good(fence: Fence, job: Job) -> bool:
    """Whether who holds this fence may still write for the job."""
    return job.state == "running" and job.fence == fence.number


def beat_of(fence: Fence, job: Job | None) -> Beat:
    if job is None or not is_good(fence, job):
        return "lost"
    return "cancel" if job.is_cancel_requested else "held"


def lease_lost(fence: Fence) -> LeaseLost:
    return LeaseLost(
        f"Fence {fence.number} of job {fence.job_id!r} is no longer good: another worker has the job, or it was "
        "released or has ended. Nothing was written."
    )


def is_same_end(job: Job, fence: Fence, end: JobEnd) -> bool:
    """Whether this very end was written under this fence before."""
    said = (end.state, end.error_code, end.error_message, None if end.result is None else end.result.id)
    stands = (job.state, job.error_code, job.error_message, job.result_payload_id)
    return job.has_ended and job.fence == fence.number and said == stands


def _moved(kept: Kept, kind: JobEventKind, at: datetime, data: Mapping[str, str], **changes: Any) -> Change:
    """The job with these fields changed, and one event that says so."""
    seq = kept.last_event + 1
    event = JobEvent(job_id=kept.job.id, kind=kind, data=data, seq=seq, at=at)
    job = replace(kept.job, **changes) if changes else kept.job
    return Change(kept=Kept(job=job, last_event=seq), was=kept.job.state, events=(event,))
