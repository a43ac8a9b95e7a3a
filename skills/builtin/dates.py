"""Arithmetic on calendar dates, read as people write them."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

MAX_CHARACTERS = 60  # of a written date
MAX_DAYS = 3_700_000  # more than lie between the years 1 and 9999


def days_between(start: str, end: str) -> int:
    """Count the days between two dates, such as "2024-02-10" and "1 May 2024".

    Never negative: the order does not matter. Raises ValueError for what is no single, complete date.
    """
    return abs((_read_date(end) - _read_date(start)).days)


def add_days(date: str, days: int) -> str:
    """Find the date a number of days after a date; for days before it, give a negative number of days.

    The answer is written as 2024-05-01. Raises ValueError for no date, and where the calendar ends (years 1 to 9999).
    """
    start = _read_date(date)
    if abs(days) > MAX_DAYS:
        raise ValueError(f"days is {days}; the calendar has fewer than {MAX_DAYS}.")
    try:
        return (start + timedelta(days=days)).isoformat()
    except OverflowError as exc:
        raise ValueError(f"{days} days from {start.isoformat()} lie outside the years 1 to 9999.") from exc


def weekday_of(date: str) -> str:
    """Name the day of the week of a date, such as "Thursday" for 2024-02-29."""
    return _WEEKDAYS[_read_date(date).weekday()]


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _read_date(text: str) -> date:
    """ISO first, then what dateutil reads in one way only."""
    written = text.strip()
    if len(written) > MAX_CHARACTERS:
        raise ValueError(f"a date has at most {MAX_CHARACTERS} characters, not {len(written)}; write it as 2024-02-29.")
    year_first = re.match(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)", written)
    if year_first:
        try:
            return date(*(int(part) for part in year_first.groups()))
        except ValueError as exc:
            raise ValueError(f"{written!r} is not in the calendar: {exc}.") from exc
    readings = {_dateutil_reading(written, is_day_first=is_day_first) for is_day_first in (True, False)}
    if len(readings) > 1:
        day_first, month_first = sorted(reading.isoformat() for reading in readings)
        raise ValueError(f"{written!r} can mean {day_first} or {month_first}; write one of these.")
    return readings.pop()


def _dateutil_reading(written: str, *, is_day_first: bool) -> date:
    """The date, if none of year, month and day had to be guessed: two different defaults must not show through."""
    from dateutil import parser

    defaults = (datetime(2000, 1, 1), datetime(2004, 2, 2))
    try:
        first, second = (
            parser.parse(written, dayfirst=is_day_first, ignoretz=True, default=default).date() for default in defaults
        )
    except (ValueError, OverflowError, TypeError) as exc:
        raise ValueError(f"{written!r} is not a date; write it as 2024-02-29.") from exc
    if first != second:
        raise ValueError(f"{written!r} is not a complete date; write it as 2024-02-29.")
    return first
