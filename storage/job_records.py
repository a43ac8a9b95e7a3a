"""Durable jobs: what was asked, where it stands, and the events of its life. Texts lie in the payload store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from storage.budget_records import BudgetLimits
from storage.records import Payload, new_id, utc_now

JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
EndState = Literal["succeeded", "failed", "cancelled"]
END_STATES: frozenset[JobState] = frozenset({"succeeded", "failed", "cancelled"})
JobEventKind = Literal[
    "queued", "started", "resumed", "step_started", "progress", "step_finished", "cancel_requested", "released",
    "succeeded", "failed", "cancelled",
]  # fmt: skip
LOWEST_PRIORITY, HIGHEST_PRIORITY = -100, 100


@dataclass(frozen=True, kw_only=True)
class Job:
    """One durable piece of work. Its request (workflow and inputs) and its result are payloads, quoted by digest."""

    workflow: str  # its name; the definition stands in the request
    payload_id: str  # the request, as canonical JSON
    payload_digest: str
    tenant: str = "default"
    principal: str = "local"
    account_id: str = "default"  # who pays; the job's own account is a child of it
    limits: BudgetLimits = BudgetLimits()
    priority: int = 0  # higher ones first
    deadline: datetime | None = None  # after it the job fails, wherever it stands
    not_before: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    webhook_url: str | None = None
    idempotency_key: str | None = None  # unique for a tenant
    request_sha256: str = ""  # of everything the caller sent: what one idempotency key stands for
    id: str = field(default_factory=lambda: new_id("job"))
    run_id: str = field(default_factory=lambda: new_id("run"))  # its trace
    created_at: datetime = field(default_factory=utc_now)
    # What a store writes; a caller who submits leaves it as it is.
    state: JobState = "queued"
    position: int = 0  # 1, 2, 3, … in order of submission: the cursor of lists
    fence: int = 0  # how often it was claimed; each claim's number is higher than all before
    worker: str | None = None
    lease_expires_at: datetime | None = None
    is_cancel_requested: bool = False
    started_at: datetime | None = None  # of the first claim
    ended_at: datetime | None = None
    result_payload_id: str | None = None
    result_digest: str | None = None
    error_code: str | None = None
    error_message: str | None = None

    @property
    def has_ended(self) -> bool:
        return self.state in END_STATES


@dataclass(frozen=True, kw_only=True)
class Fence:
    """A worker's right to write for a job: good while no later claim has been made and the job has not ended."""

    job_id: str
    number: int


@dataclass(frozen=True, kw_only=True)
class JobEvent:
    """One thing that happened to a job; `seq` counts 1, 2, 3, … without gaps, and is what a stream resumes after."""

    job_id: str
    kind: JobEventKind
    data: Mapping[str, str] = field(default_factory=dict)  # names, ids and figures; never a text of the caller's
    seq: int = 0
    at: datetime = field(default_factory=utc_now)


@dataclass(frozen=True, kw_only=True)
class JobEnd:
    """How a job ends: its state, and the result or the error."""

    state: EndState
    result: Payload | None = None
    error_code: str | None = None
    error_message: str | None = None
    data: Mapping[str, str] = field(default_factory=dict)  # of the last event


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    """Which jobs, newest first; None means any."""

    tenant: str | None = None
    state: JobState | None = None
    workflow: str | None = None
    before_position: int | None = None  # keyset cursor
    limit: int = 50


Beat = Literal["held", "cancel", "lost"]  # what a heartbeat answers of one fence
