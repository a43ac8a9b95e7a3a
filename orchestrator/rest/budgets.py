"""Budget accounts over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request

from orchestrator.accounts import account_view, line_of, listed, own_line, owned
from orchestrator.keys.keyring import Keyring
from orchestrator.rest.identity_of import identity_of
from orchestrator.rest.inspect import service_of
from storage.budget_records import BudgetAccount

router = APIRouter(prefix="/v1", tags=["budgets"])


@router.get("/budgets")
async def list_budgets(request: Request, runs: bool = False) -> dict[str, Any]:
    """Every account of one's tenant with limits, spent, held and remaining; with `runs` also those of single runs."""
    accounts = await seen(request, await listed(service_of(request).stores.budgets, has_runs=runs))
    return {"accounts": [account_view(account) for account in accounts]}


@router.get("/budgets/{account_id}")
async def get_budget(account_id: str, request: Request) -> dict[str, Any]:
    """One account, and under `parents` those that it draws on, nearest first."""
    line = await line_of(service_of(request).stores.budgets, account_id)
    if (tenant := identity_of(request).sees) is not None:
        own, others = await _tenants_accounts(request, tenant)
        line = own_line(line, own, others)
    first, *parents = [account_view(each) for each in line]
    return {**first, "parents": parents}


async def seen(request: Request, accounts: Sequence[BudgetAccount]) -> list[BudgetAccount]:
    """Those of them that whoever asks may see: its tenant's account and what lies under it."""
    tenant = identity_of(request).sees
    if tenant is None:
        return list(accounts)
    own, others = await _tenants_accounts(request, tenant)
    return owned(accounts, own, others)


async def _tenants_accounts(request: Request, name: str) -> tuple[str, frozenset[str]]:
    """The tenant's account, and those of all other tenants."""
    keyring: Keyring = request.app.state.keyring
    all_of_them = {tenant.account_id for tenant in await keyring.tenants()}
    own = (await keyring.tenant(name)).account_id
    return own, frozenset(all_of_them - {own})
