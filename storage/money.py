"""Amounts as stores count them, in whole nano-dollars, tokens and millionths; and the messages of budgets."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal

from storage.budget_records import MICRO_DIGITS, RESOURCES, Amount, BudgetAccount, BudgetLimits, Resource
from storage.errors import BudgetExceeded, InvalidInput
from storage.records import usd

NANO_DIGITS = 9  # after the point, of a dollar
MICRO = 1_000_000
MICRO_QUANTUM = Decimal("0.000001")
LARGEST_AMOUNT_USD = Decimal(1_000_000_000)  # sums stay far inside 64 bits
LARGEST_COUNT = 10**12  # tokens, seconds, joules


def checked_usd(amount_usd: Decimal, field: str) -> Decimal:
    """The amount in whole nano-dollars, rounded up; raises InvalidInput when it is negative or beyond counting."""
    if not amount_usd.is_finite() or not 0 <= amount_usd <= LARGEST_AMOUNT_USD:
        raise InvalidInput(f"{field} is {amount_usd!s}; give 0 to {LARGEST_AMOUNT_USD} USD.", field=field)
    return usd(amount_usd)


def to_nano(amount_usd: Decimal) -> int:
    return int(usd(amount_usd).scaleb(NANO_DIGITS))


def from_nano(nano: int) -> Decimal:
    return Decimal(nano).scaleb(-NANO_DIGITS)


def dollars(amount_usd: Decimal) -> str:
    """`$0.01`, `$0.000123`: as many digits as it takes, two at least."""
    whole, _, fraction = f"{amount_usd:.9f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"


def quantity(resource: Resource, value: Decimal | float) -> str:
    """`$0.01`, `812 tokens`, `1.5 s`, `20 J`."""
    if resource == "usd":
        return dollars(Decimal(value))
    number = f"{Decimal(str(value)):f}"
    number = number.rstrip("0").rstrip(".") if "." in number else number
    return f"{number} {'token' if resource == 'tokens' and number == '1' else UNITS[resource]}"


UNITS: dict[Resource, str] = {"tokens": "tokens", "seconds": "s", "joules": "J"}


@dataclass(frozen=True, kw_only=True)
class Counts:
    """An amount as a database keeps it, in integers."""

    nano: int = 0
    tokens: int = 0
    microseconds: int = 0
    microjoules: int = 0


def counts_of(amount: Amount) -> Counts:
    return Counts(
        nano=to_nano(amount.usd),
        tokens=amount.tokens,
        microseconds=to_micro(amount.seconds),
        microjoules=to_micro(amount.joules),
    )


def amount_from(counts: Counts) -> Amount:
    return Amount(
        usd=from_nano(counts.nano),
        tokens=counts.tokens,
        seconds=counts.microseconds / MICRO,
        joules=counts.microjoules / MICRO,
    )


def to_micro(number: float) -> int:
    """Whole millionths of what has been rounded to them already."""
    return round(number * MICRO)


def checked_amount(amount: Amount, field: str) -> Amount:
    """The amount in what a store counts, rounded up. Raises InvalidInput below zero and beyond counting."""
    return Amount(
        usd=checked_usd(amount.usd, f"{field}_usd"),
        tokens=int(_checked_number(amount.tokens, f"{field}_tokens")),
        seconds=_in_millionths(_checked_number(amount.seconds, f"{field}_seconds")),
        joules=_in_millionths(_checked_number(amount.joules, f"{field}_joules")),
    )


def checked_limits(limits: BudgetLimits, field: str) -> BudgetLimits:
    """The limits in what a store counts; raises InvalidInput for one that is negative or beyond counting."""
    zeros = Amount()
    named = {name: getattr(limits, name) for name in RESOURCES}
    amount = checked_amount(
        Amount(**{name: getattr(zeros, name) if value is None else value for name, value in named.items()}), field
    )
    return BudgetLimits(**{name: None if named[name] is None else getattr(amount, name) for name in RESOURCES})


def _checked_number(number: float, field: str) -> float:
    if not math.isfinite(number) or not 0 <= number <= LARGEST_COUNT:
        raise InvalidInput(f"{field} is {number!r}; give 0 to {LARGEST_COUNT}.", field=field)
    return number


def _in_millionths(number: float) -> float:
    if round(number, MICRO_DIGITS) == number:
        return float(number)
    return float(Decimal(str(number)).quantize(MICRO_QUANTUM, rounding=ROUND_CEILING))


def ensure_affordable(account: BudgetAccount, amount: Amount) -> None:
    """Raises BudgetExceeded, naming each resource that is short, when a hold does not fit on this account."""
    remaining = account.remaining
    missing = remaining.missing(amount)
    short = []
    for name in RESOURCES:
        if getattr(missing, name):
            needed, left = quantity(name, getattr(amount, name)), quantity(name, max(getattr(remaining, name), 0))
            short.append(f"needs {needed}, has {left} of {quantity(name, getattr(account.limits, name))} left")
    if short:
        raise BudgetExceeded(f"The next step {'; '.join(short)} on account {account.id!r}.")


def checked_account(account: BudgetAccount, known: BudgetAccount | None) -> BudgetAccount:
    """The account as `open` shall leave it: a known one keeps its parent and counts, a new one starts with no holds."""
    limits = checked_limits(account.limits, "limit")
    parent_id = account.parent_id
    if known is None:
        if account.held != Amount():
            raise InvalidInput(f"Account {account.id!r} is new and can hold nothing yet.", field="held")
        spent, held = checked_amount(account.spent, "spent"), Amount()
    else:
        if parent_id not in (None, known.parent_id):
            raise InvalidInput(
                f"Account {account.id!r} draws on {known.parent_id!r} and cannot move to {parent_id!r}.",
                field="parent_id",
            )
        parent_id, spent, held = known.parent_id, known.spent, known.held
    return replace(BudgetAccount.of(account.id, limits, parent_id=parent_id), spent=spent, held=held)


def lifted(limits: BudgetLimits, more: BudgetLimits) -> BudgetLimits:
    """The limits, higher by `more` where both are there. Raises InvalidInput for less than nothing."""
    extra = checked_limits(more, "more")
    return limits.plus(Amount(**{name: getattr(extra, name) for name in RESOURCES if getattr(extra, name) is not None}))
