"""Jobs and their events as rows, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from storage.budget_records import BudgetLimits
from storage.canonical import Plain, canonical_json, iso, moment_of, parsed
from storage.errors import LogCorrupt
from storage.job_moves import Kept
from storage.job_records import Job, JobEnd, JobEvent

# What the caller sent and nobody searches for.
SENT = ("run_id", "principal", "account_id", "payload_id", "payload_digest", "limits", "metadata", "webhook_url")
RESULT = ("result_payload_id", "result_digest", "error_code", "error_message")
SAVED_TIMES = ("lease_expires_at", "started_at", "ended_at")
SENT_TIMES = ("created_at", "deadline", "not_before")


def job_row(kept: Kept) -> dict[str, Any]:
    """Columns' names to values; the job was checked by `job_moves.checked_job`."""
    job = kept.job
    return {
        "position": job.position,
        "id": job.id,
        "tenant": job.tenant,
        "workflow": job.workflow,
        "rank": -job.priority,
        "idempotency_key": job.idempotency_key,
        "request_sha256": job.request_sha256,
        "sent": canonical_json({name: getattr(job, name) for name in SENT}),
        **{name: _iso(getattr(job, name)) for name in SENT_TIMES},
        **saved_row(kept),
    }


def saved_row(kept: Kept) -> dict[str, Any]:
    """The columns that a move may change."""
    job = kept.job
    return {
        "state": job.state,
        "fence": job.fence,
        "worker": job.worker,
        "is_cancel_requested": int(job.is_cancel_requested),
        "last_event": kept.last_event,
        **{name: _iso(getattr(job, name)) for name in SAVED_TIMES},
        "result": canonical_json({name: getattr(job, name) for name in RESULT}) if job.has_ended else None,
    }


def ended_row(end: JobEnd, at: datetime) -> dict[str, Any]:
    """The columns that an end changes, but for the number of its event: as `saved_row` writes them of the ended job."""
    result = end.result
    said = (
        None if result is None else result.id,
        None if result is None else result.digest,
        end.error_code,
        end.error_message,
    )
    return {
        "state": end.state,
        "worker": None,
        "lease_expires_at": None,
        "ended_at": iso(at),
        "result": canonical_json(dict(zip(RESULT, said, strict=True))),
    }


def kept_from(row: Mapping[Any, Any]) -> Kept:
    """The job that `job_row` wrote. Raises LogCorrupt."""
    try:
        sent = parsed(row["sent"])
        result = {} if row["result"] is None else parsed(row["result"])
        times: dict[str, Any] = {
            name: None if row[name] is None else moment_of(row[name]) for name in (*SENT_TIMES, *SAVED_TIMES)
        }
        fields = {name: row[name] for name in ("id", "tenant", "workflow", "state", "position", "fence", "worker")}
        fields |= {name: row[name] for name in ("idempotency_key", "request_sha256")}
        job = Job(
            priority=-row["rank"],
            is_cancel_requested=bool(row["is_cancel_requested"]),
            **fields,
            **sent | {"limits": _limits(sent["limits"])},
            **result,
            **times,
        )
    except (KeyError, TypeError) as exc:
        raise LogCorrupt(f"A stored job is none: {exc!r}.") from exc
    return Kept(job=job, last_event=row["last_event"])


def event_row(event: JobEvent) -> dict[str, Any]:
    return {
        "job_id": event.job_id,
        "seq": event.seq,
        "kind": event.kind,
        "at": iso(event.at, field="at"),
        "data": canonical_json(dict(event.data)),
    }


def event_from(row: Mapping[Any, Any]) -> JobEvent:
    """The event that `event_row` wrote. Raises LogCorrupt."""
    return JobEvent(
        job_id=row["job_id"], seq=row["seq"], kind=row["kind"], at=moment_of(row["at"]), data=parsed(row["data"])
    )


def _limits(plain: Plain) -> BudgetLimits:
    usd, tokens = plain["usd"], plain["tokens"]
    return BudgetLimits(
        usd=None if usd is None else Decimal(usd),
        tokens=None if tokens is None else int(tokens),
        seconds=None if plain["seconds"] is None else float(plain["seconds"]),
        joules=None if plain["joules"] is None else float(plain["joules"]),
    )


def _iso(moment: Any) -> str | None:
    return None if moment is None else iso(moment)
