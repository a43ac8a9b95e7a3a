"""Periods of the overview: every slot has its point, and there are never too many."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from orchestrator.rest.console.periods import MOST_SLOTS, PERIODS, slot_hours_for, slots_of
from storage.canonical import iso
from storage.summary_records import Totals

NOW = datetime(2026, 3, 10, 14, 25, tzinfo=UTC)


def test_slots_without_a_decision_are_there_too() -> None:
    since = PERIODS["24h"].since(NOW)
    at = datetime(2026, 3, 10, 9, tzinfo=UTC)
    slots = slots_of([Totals(key=iso(at), decisions=3)], slot_hours=1, since=since, now=NOW)
    assert len(slots) == 25
    assert [slot.at for slot in slots if slot.totals] == [at]
    assert slots[-1].at == datetime(2026, 3, 10, 14, tzinfo=UTC)


def test_longer_slots_begin_where_the_sums_do() -> None:
    since = PERIODS["7d"].since(NOW)
    at = datetime(2026, 3, 9, 18, tzinfo=UTC)
    slots = slots_of([Totals(key=iso(at), decisions=3)], slot_hours=6, since=since, now=NOW)
    assert [slot.at for slot in slots if slot.totals] == [at]
    assert len(slots) == 29


def test_without_decisions_there_are_no_slots() -> None:
    assert slots_of([], slot_hours=1, since=None, now=NOW) == []


def test_a_long_past_has_longer_slots() -> None:
    assert slot_hours_for(NOW - timedelta(days=3), now=NOW) == 24
    long = slot_hours_for(NOW - timedelta(days=3650), now=NOW)
    assert long % 24 == 0 and 3651 * 24 / long <= MOST_SLOTS
