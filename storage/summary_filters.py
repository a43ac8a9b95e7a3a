"""What lists and sums of decisions ask for, in the terms of their rows; no store and no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from storage.canonical import iso
from storage.errors import InvalidInput
from storage.money import MICRO, from_nano
from storage.records import TokenUsage
from storage.summaries import HOURS_A_DAY, NANO, SUMS, TOKENS, USAGE, Row, grain_of, hour_of, key_text
from storage.summary_records import SummaryFilter, Totals, TotalsFilter

NAMED = ("tenant", "run_id", "candidate_id", "policy", "task", "plan", "status")
LARGEST_NANO = 2**63 - 1
GROUP_COLUMN = {"time": "", "candidate": "candidate_id", "policy": "policy", "task": "task"}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A filter as rows are compared with it."""

    names: Mapping[str, str]  # columns that must be just this
    since: str | None
    until: str | None
    cost_over_nano: int | None
    margin_under: float | None
    is_judged: int | None
    before_position: int | None
    after_position: int | None
    limit: int


def wanted_rows(wanted: SummaryFilter) -> Wanted:
    """Raises InvalidInput for a time without a zone, or an amount that is none."""
    named = {name: getattr(wanted, name) for name in NAMED}
    texts = {name: value for name, value in named.items() if value is not None}
    return Wanted(
        names={
            name: value.replace("\x00", "\ufffd") if name == "run_id" else key_text(value)
            for name, value in texts.items()
        },
        since=None if wanted.since is None else iso(wanted.since, field="since"),
        until=None if wanted.until is None else iso(wanted.until, field="until"),
        cost_over_nano=None if wanted.cost_over_usd is None else _floor_nano(wanted.cost_over_usd),
        margin_under=wanted.margin_under,
        is_judged=None if wanted.is_judged is None else int(wanted.is_judged),
        before_position=wanted.before_position,
        after_position=wanted.after_position,
        limit=max(wanted.limit, 0),
    )


def is_wanted(row: Row, wanted: Wanted) -> bool:
    """Whether the row is one of those; the double's way to look."""
    position, margin = row["position"], row["margin"]
    return (
        all(row[name] == value for name, value in wanted.names.items())
        and (wanted.since is None or row["decided_at"] >= wanted.since)
        and (wanted.until is None or row["decided_at"] < wanted.until)
        and (wanted.cost_over_nano is None or row["cost_nano"] > wanted.cost_over_nano)
        and (wanted.margin_under is None or (margin is not None and abs(margin) < wanted.margin_under))
        and wanted.is_judged in (None, row["is_judged"])
        and (wanted.before_position is None or position < wanted.before_position)
        and (wanted.after_position is None or position > wanted.after_position)
    )


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Cells of one grain from an hour on, until another, which is not included; None: no end on that side."""

    grain: int
    since: int | None
    until: int | None


def stretches(wanted: TotalsFilter) -> list[Stretch]:
    """The coarsest cells that sum up what is wanted: whole days where there are some, hours at their edges.

    Raises InvalidInput for a slot without hours, or a time without a zone.
    """
    if wanted.slot_hours < 1:
        raise InvalidInput(f"slot_hours is {wanted.slot_hours}; give 1 or more.", field="slot_hours")
    since = None if wanted.since is None else hour_of(iso(wanted.since, field="since"))
    until = None if wanted.until is None else -(-_microseconds(wanted.until) // (MICRO * 3600))
    told = {"candidate_id": wanted.candidate_id is not None, "policy": wanted.policy is not None}
    shape = {name for name, is_told in told.items() if is_told} | {GROUP_COLUMN[wanted.by]} - {""}
    hours, days = grain_of(shape, is_day=False), grain_of(shape, is_day=True)
    if wanted.by == "time" and wanted.slot_hours % HOURS_A_DAY:
        return [Stretch(grain=hours, since=since, until=until)]
    first_day = None if since is None else -(-since // HOURS_A_DAY) * HOURS_A_DAY
    end_day = None if until is None else until // HOURS_A_DAY * HOURS_A_DAY
    if first_day is not None and end_day is not None and first_day >= end_day:
        return [Stretch(grain=hours, since=since, until=until)]
    found = [Stretch(grain=days, since=first_day, until=end_day)]
    if since != first_day:
        found.append(Stretch(grain=hours, since=since, until=first_day))
    if until != end_day:
        found.append(Stretch(grain=hours, since=end_day, until=until))
    return found


def time_key(hour: int) -> str:
    """The beginning of a slot in ISO 8601."""
    return iso(datetime.fromtimestamp(0, UTC) + timedelta(hours=hour))


def totals_from(key: str, counts: Sequence[int]) -> Totals:
    """Counts in the order of SUMS, as a record."""
    of = dict(zip(SUMS, map(int, counts), strict=True))
    return Totals(
        key=key,
        decisions=of["decisions"],
        succeeded=of["succeeded"],
        failed=of["failed"],
        unanswered=of["unanswered"],
        close_calls=of["close_calls"],
        judged=of["judged"],
        quality_sum=of["quality_nano"] / NANO,
        cost_usd=from_nano(of["cost_nano"]),
        latency_seconds=of["latency_microseconds"] / MICRO,
        usage=TokenUsage(**{name: of[column] for name, column in zip(USAGE, TOKENS, strict=True)}),
    )


def _floor_nano(amount_usd: Decimal) -> int:
    if not amount_usd.is_finite():
        raise InvalidInput(f"cost_over_usd is {amount_usd!s}; give an amount.", field="cost_over_usd")
    nano = int((amount_usd * NANO).to_integral_value(rounding=ROUND_FLOOR))
    return max(-1, min(nano, LARGEST_NANO))


def _microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970."""
    iso(moment, field="until")
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
