"""What a webhook says: that a job ended, and how. It holds no text of the caller's but the job's metadata."""

from __future__ import annotations

import json

from storage.job_records import Job, JobEnd
from storage.records import utc_now
from storage.webhook_records import Delivery


def delivery_of(job: Job, end: JobEnd) -> Delivery | None:
    """The message to queue with the job's end; None where nobody asked for one."""
    if job.webhook_url is None:
        return None
    kind = f"job.{end.state}"
    body = {
        "type": kind,
        "timestamp": utc_now().isoformat(),
        "data": {
            "job_id": job.id,
            "workflow": job.workflow,
            "state": end.state,
            "metadata": dict(job.metadata),
            "error_code": end.error_code,
        },
    }
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Delivery(tenant=job.tenant, job_id=job.id, url=job.webhook_url, kind=kind, body=text)
