"""What a webhook says: that a job ended, and how. It holds no text of the caller's but the job's metadata."""

from __future__ import annotations

from dataclasses import replace

from storage.job_records import Job, JobEnd
from storage.records import utc_now
from storage.webhook_forms import end_delivery
from storage.webhook_records import Delivery


def delivery_of(job: Job, end: JobEnd) -> Delivery | None:
    """The message to queue with the job's end, as a store writes it for a job that it ends by itself.

    None where nobody asked for one.
    """
    return end_delivery(replace(job, state=end.state, error_code=end.error_code, ended_at=utc_now()))
