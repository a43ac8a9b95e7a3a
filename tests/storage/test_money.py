"""Money is counted in whole nano-dollars and shown with as many digits as it takes."""

from decimal import Decimal

import pytest

from storage.errors import InvalidInput
from storage.money import checked_usd, dollars, from_nano, to_nano
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
