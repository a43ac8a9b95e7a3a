"""Budgets as callers write them: each resource by name, wrong ones refused by name."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from orchestrator.budget_options import limits_of
from storage.budget_records import BudgetLimits
from storage.errors import InvalidInput

USUAL = BudgetLimits(usd=Decimal("0.1"), seconds=60.0)


@pytest.mark.parametrize(
    ("budget", "budget_usd", "limits"),
    [
        (None, None, USUAL),
        (None, "0.02", BudgetLimits(usd=Decimal("0.02"), seconds=60.0)),
        ({"tokens": 500}, None, BudgetLimits(usd=Decimal("0.1"), tokens=500, seconds=60.0)),
        ({"tokens": 500.0, "usd": None}, 0.5, BudgetLimits(usd=Decimal("0.5"), tokens=500, seconds=60.0)),
        (BudgetLimits(joules=1e-7), None, BudgetLimits(usd=Decimal("0.1"), seconds=60.0, joules=0.000001)),
        ({"usd": "0", "seconds": 0}, None, BudgetLimits(usd=Decimal(0), seconds=0.0)),
    ],
)
def test_what_is_not_named_stays_as_usual(budget: Any, budget_usd: Any, limits: BudgetLimits) -> None:
    assert limits_of(budget, budget_usd, USUAL) == limits


@pytest.mark.parametrize(
    ("budget", "budget_usd", "said"),
    [
        ({"usd": 1}, 1, "Both budget_usd and budget.usd"),
        ({"token": 1}, None, "No resource 'token'; did you mean 'tokens'"),
        ({"tokens": 1.5}, None, "budget.tokens is 1.5; it must be a whole number"),
        ({"tokens": float("nan")}, None, "whole number"),
        ({"tokens": True}, None, "must be a number"),
        ({"tokens": 10**400}, None, "budget.tokens is 1"),
        ({"seconds": 10**400}, None, "budget.seconds is 1"),
        ({5: 1}, None, "No resource 5. Known: usd"),
        ({"seconds": "9"}, None, "budget.seconds is '9'; it must be a number"),
        ({"seconds": float("nan")}, None, "budget_seconds is nan"),
        ({"joules": -1}, None, "budget_joules is -1"),
        ({"joules": float("inf")}, None, "budget_joules is inf"),
        ({"usd": -1}, None, "budget.usd is -1; it cannot be negative"),
        ({"usd": "much"}, None, "budget.usd is 'much'; it must be an amount"),
        (0.5, None, "must be BudgetLimits or a mapping of usd, tokens, seconds, joules"),
        (None, "NaN", "budget_usd"),
    ],
)
def test_what_is_no_budget_is_refused_by_name(budget: Any, budget_usd: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        limits_of(budget, budget_usd, USUAL)
