"""Arithmetic and units of measurement: hard to do in one's head, easy with a tool."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.demo.dice import Dice
from orchestrator.demo.draft import Draft, number

ENDINGS = ("Answer with the number only.", "Number only.", "Just the number.", "Reply with one number.")
ONE_DECIMAL = 0.06  # rounding to one decimal, up or down, and a hair
ROUNDED_ENDINGS = (
    "Give one decimal, number only.",
    "One decimal, just the number.",
    "Round to one decimal and answer with the number only.",
)


def arithmetic_question(dice: Dice) -> Draft:
    text, value = dice.pick(_SUMS)(dice)
    return Draft(subject=text, text=f"{text} {dice.pick(ENDINGS)}", checker=number(value))


def _product(dice: Dice) -> tuple[str, int]:
    a, b = dice.whole(112, 989), dice.whole(13, 89)
    phrasing = dice.pick(("What is {} * {}?", "Multiply {} by {}.", "How much is {} times {}?", "{} x {} = ?"))
    return phrasing.format(a, b), a * b


def _small_product(dice: Dice) -> tuple[str, int]:
    a, b = dice.whole(23, 98), dice.whole(23, 98)
    phrasing = dice.pick(
        (
            "A hall has {} rows of {} seats. How many seats?",
            "Compute {} * {}.",
            "{} boxes hold {} pens each. How many pens?",
        )
    )
    return phrasing.format(a, b), a * b


def _sum_of_three(dice: Dice) -> tuple[str, int]:
    a, b, c = (dice.whole(127, 989) for _ in range(3))
    phrasing = dice.pick(("What is {} + {} + {}?", "Add up {}, {} and {}.", "What is the total of {}, {} and {}?"))
    return phrasing.format(a, b, c), a + b + c


def _sum_times(dice: Dice) -> tuple[str, int]:
    a, b, c = dice.whole(27, 98), dice.whole(27, 98), dice.whole(6, 19)
    phrasing = dice.pick(
        ("Calculate ({} + {}) * {}.", "Add {} and {}, then multiply by {}.", "What is ({} + {}) * {}?")
    )
    return phrasing.format(a, b, c), (a + b) * c


def _percentage(dice: Dice) -> tuple[str, float]:
    percent, base = dice.whole(12, 88), dice.whole(13, 89) * 10
    phrasing = dice.pick(("What is {}% of {}?", "How much is {} percent of {}?", "Find {}% of {}."))
    return phrasing.format(percent, base), percent * base / 100


_SUMS: tuple[Callable[[Dice], tuple[str, float]], ...] = (
    _product,
    _small_product,
    _sum_of_three,
    _sum_times,
    _percentage,
)

# From, to, how many of the second one of the first is (exact by definition).
_FACTORS = (
    ("miles", "kilometers", 1.609344),
    ("kilometers", "miles", 1 / 1.609344),
    ("feet", "meters", 0.3048),
    ("inches", "centimeters", 2.54),
    ("pounds", "kilograms", 0.45359237),
    ("kilograms", "pounds", 1 / 0.45359237),
    ("hours", "minutes", 60.0),
    ("weeks", "hours", 168.0),
    ("meters per second", "km/h", 3.6),
    ("km/h", "meters per second", 1 / 3.6),
    ("nautical miles", "kilometers", 1.852),
    ("yards", "meters", 0.9144),
)
_CONVERSIONS = (
    "Convert {} {} to {}.",
    "How many {2} are {0} {1}?",
    "Express {} {} in {}.",
    "What is {} {} in {}?",
)


def unit_question(dice: Dice) -> Draft:
    if dice.whole(1, 6) == 1:
        return _temperature(dice)
    source, target, factor = dice.pick(_FACTORS)
    amount = dice.whole(13, 98)
    text = dice.pick(_CONVERSIONS).format(amount, source, target)
    return Draft(
        subject=f"{amount} {source} in {target}",
        text=f"{text} {dice.pick(ROUNDED_ENDINGS)}",
        checker=number(amount * factor, tolerance=ONE_DECIMAL),
    )


def _temperature(dice: Dice) -> Draft:
    degrees = dice.whole(-30, 110)
    source, target = dice.some(("Fahrenheit", "Celsius"), 2)
    value = (degrees - 32) / 1.8 if source == "Fahrenheit" else degrees * 1.8 + 32
    text = dice.pick(
        ("Convert {} degrees {} to {}.", "What is {} degrees {} in {}?", "{} degrees {}: how much in {}?")
    ).format(degrees, source, target)
    return Draft(
        subject=f"{degrees} {source}",
        text=f"{text} {dice.pick(ROUNDED_ENDINGS)}",
        checker=number(value, tolerance=ONE_DECIMAL),
    )
