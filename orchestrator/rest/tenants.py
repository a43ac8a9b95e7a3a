"""Tenants over HTTP, for the admin: make, look, limit."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field

from orchestrator.budget_options import limits_of
from orchestrator.keys.views import tenant_view
from orchestrator.rest.keys import LimitsBody, LimitsChange, RatesBody, changed_limits, keyring_of
from orchestrator.rest.schemas import Body
from storage.budget_records import BudgetLimits
from storage.key_records import RateLimits

router = APIRouter(prefix="/v1/tenants", tags=["keys"])


class TenantRequest(Body):
    """What a new tenant shall be."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"name": "sales", "budget": {"usd": 100}}]}
    )

    name: str = Field(min_length=1, max_length=63)
    rates: RatesBody = RatesBody()
    budget: LimitsBody = LimitsBody()


@router.post("", status_code=201)
async def create_tenant(body: TenantRequest, request: Request) -> dict[str, Any]:
    """Makes a tenant and its account, which is above those of all its keys."""
    tenant = await keyring_of(request).create_tenant(
        body.name,
        limits=limits_of(body.budget.model_dump(), None, BudgetLimits()),
        rates=body.rates.over(RateLimits()),
    )
    return tenant_view(tenant)


@router.get("")
async def list_tenants(request: Request) -> dict[str, Any]:
    """By name."""
    return {"tenants": [tenant_view(tenant) for tenant in await keyring_of(request).tenants()]}


@router.patch("/{tenant}")
async def change_tenant(tenant: str, body: LimitsChange, request: Request) -> dict[str, Any]:
    """Other rates, another budget, for all of its keys together."""
    keyring = keyring_of(request)
    known = await keyring.tenant(tenant)
    account = await changed_limits(request, known.account_id, body.budget)
    changed = await keyring.change_tenant(tenant, body.rates.over(known.rates))
    return {**tenant_view(changed), "account": account}
