"""Webhook messages as rows, and back; and the message that a store itself queues for a job that it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, get_args

from storage.canonical import canonical_json, checked_id, iso, moment_of, parsed
from storage.errors import InvalidInput
from storage.job_records import Job
from storage.webhook_records import Delivery, DeliveryState

TOLD = ("kind", "url", "body", "created_at")  # never changed once queued
TRIED = ("tries", "last_status", "last_error", "delivered_at")
CHANGING = ("state", "next_try_at", *TRIED)
TIMES = ("created_at", "next_try_at", "delivered_at")
STATES: tuple[DeliveryState, ...] = get_args(DeliveryState)


def end_delivery(job: Job) -> Delivery | None:
    """What tells that this job has ended; None where nobody asked for it."""
    if job.webhook_url is None or job.ended_at is None:
        return None
    kind = f"job.{job.state}"
    data = {
        "job_id": job.id,
        "workflow": job.workflow,
        "state": job.state,
        "metadata": dict(job.metadata),
        "error_code": job.error_code,
    }
    body = canonical_json({"type": kind, "timestamp": job.ended_at, "data": data})
    at = job.ended_at
    return Delivery(
        tenant=job.tenant, job_id=job.id, url=job.webhook_url, kind=kind, body=body, next_try_at=at, created_at=at
    )


def delivery_row(delivery: Delivery) -> dict[str, Any]:
    """Columns' names to values. Raises InvalidInput for what could not be read back as it is."""
    if delivery.state not in STATES:
        raise InvalidInput(f"No state {delivery.state!r} of a delivery; known: {', '.join(STATES)}.", field="state")
    return {
        "position": delivery.position,
        "id": checked_id(delivery.id, "id"),
        "tenant": checked_id(delivery.tenant, "tenant"),
        "job_id": checked_id(delivery.job_id, "job_id"),
        "told": canonical_json({name: getattr(delivery, name) for name in TOLD}),
        **tried_row(delivery),
    }


def tried_row(delivery: Delivery) -> dict[str, Any]:
    """The columns that a try changes."""
    return {
        "state": delivery.state,
        "next_try_at": iso(delivery.next_try_at, field="next_try_at"),
        "tried": canonical_json({name: getattr(delivery, name) for name in TRIED}),
    }


def delivery_from(row: Mapping[Any, Any]) -> Delivery:
    """The delivery that `delivery_row` wrote. Raises LogCorrupt."""
    fields = {**parsed(row["told"]), **parsed(row["tried"])}
    fields |= {name: row[name] for name in ("position", "id", "tenant", "job_id", "state", "next_try_at")}
    for name in TIMES:
        fields[name] = None if fields[name] is None else moment_of(fields[name])
    return Delivery(**fields)


def changed(known: Delivery, wanted: Delivery) -> Delivery:
    """The known one with what a try may change."""
    return replace(known, **{name: getattr(wanted, name) for name in CHANGING})


def leased(delivery: Delivery, until: datetime) -> Delivery:
    """The delivery while somebody tries it."""
    return replace(delivery, next_try_at=until)
