"""Calendar dates: days between, a date some days later, days of the week."""

from __future__ import annotations

from datetime import date, timedelta

from orchestrator.checkers import Checker
from orchestrator.demo.dice import Dice
from orchestrator.demo.draft import Draft, exactly, number

FIRST_DAY = date(1995, 1, 1)
DAYS = 365 * 35
_DAYS_OF_WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def date_question(dice: Dice) -> Draft:
    return dice.pick((_days_between, _date_after, _weekday))(dice)


def _days_between(dice: Dice) -> Draft:
    start = _some_day(dice)
    days = dice.whole(24, 320)
    first, last = _written(start, dice), _written(start + timedelta(days=days), dice)
    text = dice.pick(
        (
            "How many days are there between {} and {}? Number only.",
            "Count the days from {} to {}. Answer with the number only.",
            "{} to {}: how many days is that? Just the number.",
        )
    ).format(first, last)
    return Draft(subject=f"{start} + {days} days?", text=text, checker=number(days))


def _date_after(dice: Dice) -> Draft:
    start, days = _some_day(dice), dice.whole(24, 180)
    text = dice.pick(
        (
            "Which date is {days} days after {start}? Answer as YYYY-MM-DD only.",
            "What is the date {days} days from {start}? Write only YYYY-MM-DD.",
            "Add {days} days to {start}. Answer with the date as YYYY-MM-DD.",
        )
    ).format(days=days, start=_written(start, dice))
    end = start + timedelta(days=days)
    return Draft(subject=f"{start} + {days}", text=text, checker=Checker(kind="date", expected=end.isoformat()))


def _weekday(dice: Dice) -> Draft:
    day = _some_day(dice)
    text = dice.pick(
        (
            "Which day of the week was {}? One word.",
            "What weekday is {}? Answer with the name of the day only.",
            "{} falls on which day of the week? One word only.",
        )
    ).format(_written(day, dice))
    return Draft(subject=f"weekday of {day}", text=text, checker=exactly(_DAYS_OF_WEEK[day.weekday()]))


def _some_day(dice: Dice) -> date:
    return FIRST_DAY + timedelta(days=dice.whole(0, DAYS))


def _written(day: date, dice: Dice) -> str:
    month = _MONTHS[day.month - 1]
    return dice.pick((day.isoformat(), f"{day.day} {month} {day.year}", f"{month} {day.day}, {day.year}"))
