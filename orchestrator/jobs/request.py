"""What a caller says when submitting a job, and what a job that succeeded gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, TypedDict

from orchestrator.workflow import Workflow
from storage.budget_records import BudgetLimits
from storage.job_records import Job


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """One job. Nothing of it is trusted: `Jobs.submit` checks all of it.

    `workflow` is a name (`ask`, or one of the settings' `workflows`), a definition, or a Workflow. For `ask`, `input`
    holds `text` or `messages`, and `options` where the step shall have any; else a text for each input.
    """

    workflow: str | Mapping[str, Any] | Workflow = "ask"
    input: Mapping[str, Any] = field(default_factory=dict)
    limits: BudgetLimits | Mapping[str, Any] | None = None  # of usd, tokens, seconds, joules; default: the settings'
    deadline: datetime | None = None
    priority: int = 0  # -100 to 100; higher ones first
    not_before: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    webhook_url: str | None = None
    idempotency_key: str | None = None  # the same key and request again give the same job


class JobOptions(TypedDict, total=False):
    """What a job may be given besides its workflow and input; the other fields of JobRequest."""

    limits: BudgetLimits | Mapping[str, Any] | None
    deadline: datetime | None
    priority: int
    not_before: datetime | None
    metadata: Mapping[str, str]
    webhook_url: str | None
    idempotency_key: str | None


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """What a job that succeeded came to."""

    job_id: str
    run_id: str  # its trace
    answers: Mapping[str, str]  # by step
    answer: str  # the last step's
    cost_usd: Decimal


@dataclass(frozen=True, kw_only=True)
class JobPage:
    """Jobs, newest first, and where the next page begins; None: there is none."""

    jobs: tuple[Job, ...]
    next_cursor: int | None

    @classmethod
    def of(cls, jobs: Sequence[Job], *, limit: int) -> JobPage:
        """A page that was asked for with this limit."""
        return cls(jobs=tuple(jobs), next_cursor=jobs[-1].position if jobs and len(jobs) == limit else None)
