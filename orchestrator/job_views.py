"""Jobs, their events, results and webhook deliveries as callers see them: plain JSON values."""

from __future__ import annotations

from typing import Any

from orchestrator.jobs.request import JobResult
from orchestrator.views import plain
from storage.job_records import Job, JobEvent
from storage.webhook_records import Delivery


def job_view(job: Job) -> dict[str, Any]:
    """Without its texts: these are its result's, and its trace's."""
    error = {"code": job.error_code, "message": job.error_message}
    return {
        "id": job.id,
        "workflow": job.workflow,
        "state": job.state,
        "is_cancel_requested": job.is_cancel_requested,
        "run_id": job.run_id,
        "tenant": job.tenant,
        "principal": job.principal,
        "account_id": job.account_id,
        "budget": plain(job.limits),
        "priority": job.priority,
        "deadline": plain(job.deadline),
        "not_before": plain(job.not_before),
        "metadata": plain(job.metadata),
        "webhook_url": job.webhook_url,
        "idempotency_key": job.idempotency_key,
        "claims": job.fence,
        "created_at": plain(job.created_at),
        "started_at": plain(job.started_at),
        "ended_at": plain(job.ended_at),
        "error": error if job.error_code is not None or job.error_message is not None else None,
    }


def event_view(event: JobEvent) -> dict[str, Any]:
    view: dict[str, Any] = plain(event)
    return view


def result_view(result: JobResult) -> dict[str, Any]:
    view: dict[str, Any] = plain(result)
    return view


def delivery_view(delivery: Delivery) -> dict[str, Any]:
    view: dict[str, Any] = plain(delivery)
    return {name: value for name, value in view.items() if name not in ("body", "position")}
