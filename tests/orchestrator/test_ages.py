"""Moments as people type them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.ages import moment_of
from storage.errors import InvalidInput

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("30s", timedelta(seconds=30)),
        ("15m", timedelta(minutes=15)),
        ("2h", timedelta(hours=2)),
        ("1.5 H", timedelta(hours=1.5)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_an_age_is_so_long_before_now(text: str, ago: timedelta) -> None:
    assert moment_of(text, now=NOON, field="since") == NOON - ago


def test_a_time_with_a_zone_is_told_in_utc_and_one_without_is_local() -> None:
    assert moment_of("2026-03-01T13:00:00+01:00", now=NOON, field="since") == NOON
    local = moment_of("2026-03-01T12:00", now=NOON, field="since")
    assert local == datetime(2026, 3, 1, 12).astimezone()
    assert local.tzinfo is UTC


@pytest.mark.parametrize("text", ["yesterday", "", "7", "-7d", "999999999w", "2026-13-01", "1e9d"])
def test_what_is_no_time_is_refused_with_what_would_be_one(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no time; write how long ago") as raised:
        moment_of(text, now=NOON, field="since")
    assert raised.value.field == "since"
