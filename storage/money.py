"""Money as stores count it: whole nano-dollars; and the checks and messages of budgets."""

from __future__ import annotations

from decimal import Decimal

from storage.errors import BudgetExceeded, InvalidInput
from storage.records import BudgetAccount, usd

NANO_PER_USD = 1_000_000_000
LARGEST_AMOUNT_USD = Decimal(1_000_000_000)  # sums stay far inside 64 bits


def checked_usd(amount_usd: Decimal, field: str) -> Decimal:
    """The amount in whole nano-dollars, rounded up; raises InvalidInput when it is negative or beyond counting."""
    if not amount_usd.is_finite() or not 0 <= amount_usd <= LARGEST_AMOUNT_USD:
        raise InvalidInput(f"{field} is {amount_usd!s}; give 0 to {LARGEST_AMOUNT_USD} USD.", field=field)
    return usd(amount_usd)


def to_nano(amount_usd: Decimal) -> int:
    return int(usd(amount_usd) * NANO_PER_USD)


def from_nano(nano: int) -> Decimal:
    return usd(Decimal(nano) / NANO_PER_USD)


def dollars(amount_usd: Decimal) -> str:
    """`$0.01`, `$0.000123`: as many digits as it takes, two at least."""
    whole, _, fraction = f"{amount_usd:f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"


def ensure_affordable(account: BudgetAccount, amount_usd: Decimal) -> None:
    """Raises BudgetExceeded when a hold of the amount does not fit on this account."""
    remaining = account.remaining_usd
    if remaining is None or account.limit_usd is None or amount_usd <= remaining:
        return
    left = max(remaining, Decimal(0))
    raise BudgetExceeded(
        f"The next step needs {dollars(amount_usd)}, has {dollars(left)} of {dollars(account.limit_usd)} left "
        f"on account {account.id!r}."
    )


def checked_account(account: BudgetAccount, known: BudgetAccount | None) -> BudgetAccount:
    """The account as `open` shall leave it: a known one keeps its parent and counts, a new one starts with no holds."""
    limit = None if account.limit_usd is None else checked_usd(account.limit_usd, "limit_usd")
    parent_id = account.parent_id
    if known is None:
        if account.held_usd:
            raise InvalidInput(f"Account {account.id!r} is new and can hold nothing yet.", field="held_usd")
        spent, held = checked_usd(account.spent_usd, "spent_usd"), Decimal(0)
    else:
        if parent_id not in (None, known.parent_id):
            raise InvalidInput(
                f"Account {account.id!r} draws on {known.parent_id!r} and cannot move to {parent_id!r}.",
                field="parent_id",
            )
        parent_id, spent, held = known.parent_id, known.spent_usd, known.held_usd
    return BudgetAccount(id=account.id, limit_usd=limit, parent_id=parent_id, spent_usd=spent, held_usd=held)
