"""Decisions as lists and charts need them: a flat row each and sums over the hour, made from the log; their store."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

from storage.records import OutcomeStatus, TokenUsage

SummaryStatus = OutcomeStatus | Literal["running"]  # running: no outcome yet
CLOSE_MARGIN = 0.05  # of score: a decision that was won by less is a close call

Grouping = Literal["time", "candidate", "policy", "task"]


@dataclass(frozen=True, kw_only=True)
class DecisionSummary:
    """A decision and what became of it, in one row."""

    position: int  # of the decision in the log, the cursor of lists
    decision_id: str
    run_id: str
    step: str
    attempt: int
    plan: str
    tenant: str
    principal: str
    account_id: str
    task: str
    candidate_id: str | None  # None: nobody was allowed
    policy: str
    policy_version: str
    propensity: float
    margin: float | None  # score of the chosen one less the best other's; negative: exploration; None: no other
    allowed: int  # candidates that could be picked
    masked: int
    reserved_usd: Decimal
    decided_at: datetime
    status: SummaryStatus = "running"  # of the newest outcome that is no verdict
    cost_usd: Decimal = Decimal(0)  # of all its outcomes
    latency_seconds: float = 0.0
    usage: TokenUsage = TokenUsage()
    quality: float | None = None  # the newest one that anybody told
    judged_by: str | None = None
    reward: float | None = None  # the newest one
    error_code: str | None = None

    @property
    def is_close(self) -> bool:
        return self.margin is not None and abs(self.margin) < CLOSE_MARGIN


@dataclass(frozen=True, kw_only=True)
class SummaryFilter:
    """Which decisions, newest first; None means any. `until` is not included."""

    tenant: str | None = None
    run_id: str | None = None
    candidate_id: str | None = None
    policy: str | None = None
    task: str | None = None
    plan: str | None = None
    status: SummaryStatus | None = None
    since: datetime | None = None
    until: datetime | None = None
    cost_over_usd: Decimal | None = None
    margin_under: float | None = None  # close calls: |margin| below this
    is_judged: bool | None = None
    before_position: int | None = None  # keyset cursor to older ones
    after_position: int | None = None  # only newer ones, for who follows along
    limit: int = 50


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Sums over the decisions of one group."""

    key: str  # the group: the beginning of the time slot in ISO 8601, or the candidate's, policy's or task's name
    decisions: int = 0
    succeeded: int = 0
    failed: int = 0  # of the newest outcome: failed, refused or cancelled
    unanswered: int = 0  # nobody was allowed
    close_calls: int = 0
    judged: int = 0
    quality_sum: float = 0.0  # of those judged
    cost_usd: Decimal = Decimal(0)
    latency_seconds: float = 0.0  # sum
    usage: TokenUsage = TokenUsage()

    @property
    def quality(self) -> float | None:
        """The mean of those judged."""
        return self.quality_sum / self.judged if self.judged else None


@dataclass(frozen=True, kw_only=True)
class TotalsFilter:
    """Sums over which decisions, and by what. Times are rounded out to full hours."""

    by: Grouping = "candidate"
    slot_hours: int = 1  # by time: how long a slot is
    tenant: str | None = None
    candidate_id: str | None = None
    policy: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class SummaryProgress:
    """How far the rows are made: up to `position` of a log that has `last_position`."""

    position: int
    last_position: int
    since: datetime | None = field(default=None)  # of the first event that is not in yet

    @property
    def behind(self) -> int:
        return self.last_position - self.position


class SummaryStore(Protocol):
    """Decisions in flat rows, for lists and charts. Derived: rows are made from the log by whoever looks, and may be
    thrown away. Nothing is done here when a decision is made."""

    async def catch_up(self, *, seconds: float) -> SummaryProgress:
        """Makes rows of what the log has had since the last time, for about so long; several may do so at once.

        With no time at all it still makes some. Raises LogCorrupt, naming the place, for an event that is none, and
        StorageUnavailable.
        """
        ...

    async def find(self, wanted: SummaryFilter) -> list[DecisionSummary]:
        """Newest first, of those that rows were made for."""
        ...

    async def get(self, decision_id: str) -> DecisionSummary:
        """Raises RecordNotFound, also for a decision that no row was made for yet."""
        ...

    async def totals(self, wanted: TotalsFilter) -> list[Totals]:
        """One a group that has decisions, in the order of their keys; the key of nobody is empty."""
        ...

    async def rebuild(self) -> None:
        """Throws all rows away; `catch_up` makes them anew."""
        ...
