"""The settings' part on budgets."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field

from orchestrator.routing_settings import Part
from storage.budget_records import RESOURCES, BudgetLimits, OnExhausted


class BudgetSettings(Part):
    """Limits of four resources; None means none."""

    account_limit_usd: Decimal | None = Field(default=None, ge=0)  # of the account `default`, over all runs
    account_limit_tokens: int | None = Field(default=None, ge=0)
    account_limit_seconds: float | None = Field(default=None, ge=0)
    account_limit_joules: float | None = Field(default=None, ge=0)
    run_limit_usd: Decimal = Field(default=Decimal("0.10"), ge=0)  # of one run that names no budget
    run_limit_tokens: int | None = Field(default=None, ge=0)
    run_limit_seconds: float | None = Field(default=None, ge=0)  # that models work for it, side by side or not
    run_limit_joules: float | None = Field(default=None, ge=0)
    on_exhausted: OnExhausted = "stop"  # when a run's budget allows nobody
    run_timeout_seconds: float = Field(default=120.0, gt=0)

    def limits(self, of: Literal["account", "run"]) -> BudgetLimits:
        return BudgetLimits(**{name: getattr(self, f"{of}_limit_{name}") for name in RESOURCES})
