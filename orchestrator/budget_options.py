"""What callers say of budgets, checked: limits of each resource, and what to do when they allow nobody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import get_args

from storage.budget_records import RESOURCES, BudgetLimits, OnExhausted, Resource, Shortfall
from storage.errors import InvalidInput
from storage.money import LARGEST_COUNT, checked_limits
from storage.records import usd

MoreBudget = Callable[[Shortfall], Awaitable[BudgetLimits | None]]

ON_EXHAUSTED: tuple[OnExhausted, ...] = get_args(OnExhausted)


def amount_of(budget: object, field: str = "budget_usd") -> Decimal:
    """A caller's budget in whole nano-dollars. Raises InvalidInput."""
    try:
        amount = usd(budget if isinstance(budget, Decimal | float | int) else str(budget))
        is_negative = amount < 0  # NaN cannot be compared
    except ArithmeticError as exc:
        raise InvalidInput(f"{field} is {budget!r}; it must be an amount in USD.", field=field) from exc
    if is_negative:
        raise InvalidInput(f"{field} is {budget!r}; it cannot be negative.", field=field)
    return amount


def limits_of(
    budget: BudgetLimits | Mapping[str, object] | None, budget_usd: object, usual: BudgetLimits
) -> BudgetLimits:
    """A caller's limits; the usual one of each resource that is not named. Raises InvalidInput, naming the field."""
    given = {} if budget is None else _named(budget)
    if budget_usd is not None:
        if "usd" in given:
            raise InvalidInput("Both budget_usd and budget.usd are given; give one of them.", field="budget_usd")
        given["usd"] = amount_of(budget_usd)
    return BudgetLimits.of({name: given.get(name, getattr(usual, name)) for name in RESOURCES})


def exhausted_of(word: str | None, usual: OnExhausted) -> OnExhausted:
    """Raises InvalidInput for a word that there is not."""
    if word is None:
        return usual
    for known in ON_EXHAUSTED:
        if word == known:
            return known
    raise InvalidInput(f"on_exhausted is {word!r}; known: {', '.join(ON_EXHAUSTED)}.", field="on_exhausted")


def _named(budget: BudgetLimits | Mapping[str, object]) -> dict[Resource, Decimal | float]:
    """Values by resource, each in what a store counts."""
    if isinstance(budget, BudgetLimits):
        budget = {name: getattr(budget, name) for name in RESOURCES}
    if not isinstance(budget, Mapping):
        raise InvalidInput(
            f"budget is {budget!r}; it must be BudgetLimits or a mapping of {', '.join(RESOURCES)}.", field="budget"
        )
    for name in budget:
        if name not in RESOURCES:
            close = get_close_matches(str(name), RESOURCES, n=1)
            guess = f"; did you mean {close[0]!r}?" if close else "."
            raise InvalidInput(f"No resource {name!r}{guess} Known: {', '.join(RESOURCES)}.", field="budget")
    given = {name: _number(name, budget[name]) for name in RESOURCES if budget.get(name) is not None}
    limits = checked_limits(BudgetLimits.of(given), "budget")
    return {name: getattr(limits, name) for name in given}


def _number(name: Resource, value: object) -> Decimal | float:
    field = f"budget.{name}"
    if name == "usd":
        return amount_of(value, field)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"{field} is {value!r}; it must be a number.", field=field)
    if isinstance(value, int) and value > LARGEST_COUNT:  # no float holds every whole number
        raise InvalidInput(f"{field} is {value!r:.20}…; give 0 to {LARGEST_COUNT}.", field=field)
    if name == "tokens" and not float(value).is_integer():
        raise InvalidInput(f"{field} is {value!r}; it must be a whole number.", field=field)
    return value
