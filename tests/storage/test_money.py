"""Amounts are counted in whole nano-dollars, tokens and millionths, and shown with as many digits as it takes."""

from decimal import Decimal

import pytest

from storage.budget_records import Amount, BudgetLimits, Resource
from storage.errors import InvalidInput
from storage.money import (
    amount_from,
    checked_amount,
    checked_usd,
    counts_of,
    dollars,
    from_nano,
    lifted,
    quantity,
    to_nano,
)
from storage.records import usd


@pytest.mark.parametrize(
    ("amount", "shown"), [("0.01", "$0.01"), ("1", "$1.00"), ("0.000123", "$0.000123"), ("12.5", "$12.50")]
)
def test_dollars_are_shown_with_two_digits_or_more(amount: str, shown: str) -> None:
    assert dollars(usd(amount)) == shown


def test_nano_dollars_come_back_equal() -> None:
    assert from_nano(to_nano(usd("1.000000001"))) == usd("1.000000001")


def test_a_part_of_a_nano_dollar_is_rounded_up() -> None:
    assert checked_usd(Decimal("0.0000000001"), "amount_usd") == Decimal("0.000000001")


@pytest.mark.parametrize("amount", ["-0.1", "NaN", "Infinity", "1000000001"])
def test_an_amount_beyond_counting_is_refused(amount: str) -> None:
    with pytest.raises(InvalidInput, match="amount_usd"):
        checked_usd(Decimal(amount), "amount_usd")


@pytest.mark.parametrize(
    ("resource", "value", "shown"),
    [
        ("usd", "0.5", "$0.50"), ("tokens", 812, "812 tokens"), ("tokens", 1, "1 token"), ("seconds", 1.5, "1.5 s"),
        ("seconds", 20.0, "20 s"), ("joules", 0.000001, "0.000001 J"), ("joules", 1e12, "1000000000000 J"),
    ],
)  # fmt: skip
def test_each_resource_is_shown_in_its_unit(resource: Resource, value: float, shown: str) -> None:
    assert quantity(resource, value) == shown


def test_counted_amounts_come_back_equal() -> None:
    amount = Amount(usd=usd("1.000000001"), tokens=3, seconds=0.1 + 0.2, joules=123456.789012)
    counted = checked_amount(amount, "amount")
    assert amount_from(counts_of(counted)) == counted
    assert counted.seconds == 0.300001  # of 0.30000000000000004 nothing is rounded away
    assert counted.joules == 123456.789012


@pytest.mark.parametrize("number", [-1, float("nan"), float("inf"), 1e13])
@pytest.mark.parametrize("name", ["tokens", "seconds", "joules"])
def test_numbers_beyond_counting_are_refused(name: str, number: float) -> None:
    with pytest.raises(InvalidInput, match=f"amount_{name} is"):
        checked_amount(Amount(**{name: number}), "amount")


def test_of_two_limits_the_lower_holds_and_only_a_limit_can_be_lifted() -> None:
    one, other = BudgetLimits(usd=usd(1), tokens=5), BudgetLimits(usd=usd(2), tokens=3, joules=1.0)
    assert one.lower(other) == BudgetLimits(usd=usd(1), tokens=3, joules=1.0)
    assert lifted(one, BudgetLimits(tokens=2, seconds=4.0)) == BudgetLimits(usd=usd(1), tokens=7)
