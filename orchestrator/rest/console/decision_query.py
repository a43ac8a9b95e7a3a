"""Which decisions the list shows, as the page's address says it: shareable, and without what says nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from storage.records import utc_now
from storage.summary_records import CLOSE_MARGIN, SummaryFilter, SummaryStatus

A_PAGE = 50
MOST_TRAIL = 40  # pages that "newer" leads back through; the address would grow too long
LAST_POSITION = 2**63 - 1
PERIOD_TO_HOURS = {"1h": 1, "24h": 24, "7d": 7 * 24, "30d": 30 * 24}

Period = Literal["1h", "24h", "7d", "30d"]


def _nothing(value: object) -> object:
    """An empty field of a form says nothing."""
    return None if value == "" else value


def _time(value: object) -> object:
    """What a browser's field of date and time sends has no zone: it is UTC, as its label says."""
    if not isinstance(value, str) or value == "":
        return None
    if value.lstrip("+-").isdigit():
        raise ValueError("give a time like 2026-03-01T12:00")
    found = datetime.fromisoformat(value)
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError as exc:
        raise ValueError("this time cannot be told in UTC") from exc


EMPTY = BeforeValidator(_nothing)
Text = Annotated[Annotated[str, Field(max_length=300)] | None, EMPTY]
Time = Annotated[datetime | None, BeforeValidator(_time)]
Cost = Annotated[Annotated[Decimal, Field(ge=0, le=1_000_000)] | None, EMPTY]
Position = Annotated[Annotated[int, Field(ge=0, le=LAST_POSITION)] | None, EMPTY]
Trail = Annotated[Annotated[str, Field(pattern=r"^\d{1,19}(,\d{1,19})*$", max_length=800)] | None, EMPTY]


class DecisionsQuery(BaseModel):
    """The filter's fields by their names in the address; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid")

    candidate: Text = None
    policy: Text = None
    task: Text = None
    run: Text = None
    status: Annotated[SummaryStatus | None, EMPTY] = None
    period: Annotated[Period | None, EMPTY] = None
    since: Time = None
    until: Time = None
    cost_over: Cost = None
    close: Annotated[Literal["yes"] | None, EMPTY] = None
    judged: Annotated[Literal["yes", "no"] | None, EMPTY] = None
    before: Position = None
    trail: Trail = None

    def wanted(self, tenant: str | None, *, after: int | None = None, limit: int = A_PAGE) -> SummaryFilter:
        return SummaryFilter(
            tenant=tenant,
            run_id=self.run,
            candidate_id=self.candidate,
            policy=self.policy,
            task=self.task,
            status=self.status,
            since=self.earliest,
            until=self.until,
            cost_over_usd=self.cost_over,
            margin_under=CLOSE_MARGIN if self.close else None,
            is_judged=None if self.judged is None else self.judged == "yes",
            before_position=self.before,
            after_position=after,
            limit=limit,
        )

    @property
    def earliest(self) -> datetime | None:
        """The later one of what `since` and `period` say."""
        back = None if self.period is None else utc_now() - timedelta(hours=PERIOD_TO_HOURS[self.period])
        return max((each for each in (self.since, back) if each is not None), default=None)

    @property
    def is_filtered(self) -> bool:
        return bool(self._said(exclude={"before", "trail"}))

    def address(self, base: str, **other: Any) -> str:
        """The page's address with these fields changed."""
        said = {**self._said(), **other}
        text = urlencode({name: value for name, value in said.items() if value is not None})
        return f"{base}?{text}" if text else base

    def older(self, base: str, position: int) -> str:
        """The next page, which knows the way back."""
        trail = [*(self.trail.split(",") if self.trail else []), str(self.before or 0)][-MOST_TRAIL:]
        return self.address(base, before=position, trail=",".join(trail))

    def newer(self, base: str) -> str | None:
        """The page that this one was reached from; None: this is the first."""
        if self.before is None:
            return None
        *trail, last = self.trail.split(",") if self.trail else ["0"]
        return self.address(base, before=int(last) or None, trail=",".join(trail) or None)

    def _said(self, exclude: set[str] | None = None) -> dict[str, Any]:
        said = self.model_dump(exclude_none=True, exclude=exclude)
        return {name: _written(value) for name, value in said.items()}


def _written(value: object) -> str:
    """A time as a browser's field of date and time holds it; the year always has four digits."""
    return value.replace(tzinfo=None).isoformat(timespec="minutes") if isinstance(value, datetime) else str(value)
