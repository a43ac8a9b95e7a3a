"""How far back the overview looks, and the slots that its lines over time are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from storage.records import utc_now
from storage.summary_records import Totals

PeriodName = Literal["24h", "7d", "30d", "all"]
MOST_SLOTS = 100
HOURS_A_DAY = 24


@dataclass(frozen=True, kw_only=True)
class Period:
    """`hours`: None is all that there is; `slot_hours`: how long a point of a line stands for."""

    name: PeriodName
    title: str
    words: str
    hours: int | None
    slot_hours: int

    def since(self, now: datetime) -> datetime | None:
        """The full hour that it begins with."""
        if self.hours is None:
            return None
        return now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=self.hours)


PERIODS: Mapping[PeriodName, Period] = {
    each.name: each
    for each in (
        Period(name="24h", title="24 h", words="the last 24 hours", hours=24, slot_hours=1),
        Period(name="7d", title="7 days", words="the last 7 days", hours=7 * 24, slot_hours=6),
        Period(name="30d", title="30 days", words="the last 30 days", hours=30 * 24, slot_hours=24),
        Period(name="all", title="all", words="all that is stored", hours=None, slot_hours=24),
    )
}


@dataclass(frozen=True, kw_only=True)
class Slot:
    """None: nothing happened in it."""

    at: datetime
    totals: Totals | None


def slots_of(
    totals: list[Totals], *, slot_hours: int, since: datetime | None, now: datetime | None = None
) -> list[Slot]:
    """Every slot from the first to the one of now, those without a decision too."""
    found = {datetime.fromisoformat(each.key): each for each in totals}
    if not found:
        return []
    step = timedelta(hours=slot_hours)
    first = min(found) if since is None else _slot_at(since, step)
    last = max([_slot_at(now or utc_now(), step), *found])
    count = (last - first) // step + 1
    return [Slot(at=first + place * step, totals=found.get(first + place * step)) for place in range(count)]


def slot_hours_for(first: datetime, *, now: datetime | None = None) -> int:
    """Whole days, so many that the slots since then are not too many for a line."""
    days = ((now or utc_now()) - first).days + 1
    return HOURS_A_DAY * max(1, -(-days // MOST_SLOTS))


def _slot_at(moment: datetime, step: timedelta) -> datetime:
    """The beginning of the slot that holds it; slots are counted from 1970."""
    zero = datetime.fromtimestamp(0, UTC)
    return zero + (moment - zero) // step * step
