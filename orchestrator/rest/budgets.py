"""Budget accounts over HTTP."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from orchestrator.accounts import account_view, line_of, listed
from orchestrator.rest.inspect import service_of

router = APIRouter(prefix="/v1", tags=["budgets"])


@router.get("/budgets")
async def list_budgets(request: Request, runs: bool = False) -> dict[str, Any]:
    """Every account with limits, spent, held and remaining by resource; with `runs` also those of single runs."""
    accounts = await listed(service_of(request).stores.budgets, has_runs=runs)
    return {"accounts": [account_view(account) for account in accounts]}


@router.get("/budgets/{account_id}")
async def get_budget(account_id: str, request: Request) -> dict[str, Any]:
    """One account, and under `parents` those that it draws on, nearest first."""
    first, *parents = [account_view(each) for each in await line_of(service_of(request).stores.budgets, account_id)]
    return {**first, "parents": parents}
