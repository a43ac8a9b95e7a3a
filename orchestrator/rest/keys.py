"""API keys over HTTP, for the admin: make, look, limit, rotate, revoke. A key's text is in one answer, once."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from orchestrator.accounts import NONE, account_view, with_limits
from orchestrator.budget_options import limits_of
from orchestrator.keys.keyring import (
    DEFAULT_TENANT,
    GRACE_SECONDS,
    MOST_GRACE_SECONDS,
    MOST_NAME_CHARACTERS,
    Keyring,
    KeyWish,
)
from orchestrator.keys.views import key_view, new_key_view
from orchestrator.rest.inspect import service_of
from orchestrator.rest.schemas import Body, RunBudget
from storage.budget_records import BudgetLimits
from storage.key_records import KeyRole, RateLimits
from storage.records import utc_now

router = APIRouter(prefix="/v1/keys", tags=["keys"])

NO_STORE = {"cache-control": "no-store"}  # a key's text is for the asker alone
LONGEST_LIFE_SECONDS = 10 * 365 * 24 * 3600.0
MOST_RATE = 10**9
Rate = Annotated[int, Field(ge=1, le=MOST_RATE)]


class RatesBody(Body):
    """Null: no limit of its own."""

    requests_per_minute: Rate | None = None
    tokens_per_minute: Rate | None = None
    parallel_requests: Rate | None = None

    def over(self, known: RateLimits) -> RateLimits:
        """What is named here, and the rest as it was."""
        named = {name: getattr(self, name) for name in self.model_fields_set}
        return RateLimits(
            requests_per_minute=named.get("requests_per_minute", known.requests_per_minute),
            tokens_per_minute=named.get("tokens_per_minute", known.tokens_per_minute),
            parallel_requests=named.get("parallel_requests", known.parallel_requests),
        )


class LimitsBody(RunBudget):
    """The most that may be spent over all runs; null: no limit of its own."""

    def named(self) -> dict[str, str]:
        """What is named here, as `antroute budgets set` takes it."""
        values = self.model_dump(include=self.model_fields_set)
        return {name: NONE if value is None else str(value) for name, value in values.items()}


class KeyRequest(Body):
    """What a new key shall be."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"name": "billing-bot", "role": "writer", "budget": {"usd": 5}}]},
    )

    name: str = Field(min_length=1, max_length=MOST_NAME_CHARACTERS)
    tenant: str = Field(default=DEFAULT_TENANT, min_length=1, max_length=63)
    role: KeyRole = "writer"
    rates: RatesBody = RatesBody()
    budget: LimitsBody = LimitsBody()
    expires_in_seconds: Annotated[float, Field(gt=0, le=LONGEST_LIFE_SECONDS)] | None = None


class LimitsChange(Body):
    """What is named changes, the rest stays."""

    rates: RatesBody = RatesBody()
    budget: LimitsBody = LimitsBody()


class RotateRequest(Body):
    """For how long the old text still lets in."""

    grace_seconds: float = Field(default=GRACE_SECONDS, ge=0, le=MOST_GRACE_SECONDS)


class KeyQuery(BaseModel):
    """Filters on an allow-list; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid")

    tenant: str | None = Field(default=None, min_length=1, max_length=63)


def keyring_of(request: Request) -> Keyring:
    keyring: Keyring = request.app.state.keyring
    return keyring


async def changed_limits(request: Request, account_id: str, wished: LimitsBody) -> dict[str, Any]:
    """The account as it is after the change."""
    budgets = service_of(request).stores.budgets
    named = wished.named()
    return account_view(await with_limits(budgets, account_id, named) if named else await budgets.get(account_id))


@router.post("", status_code=201, response_model=None)
async def create_key(body: KeyRequest, request: Request) -> JSONResponse:
    """Makes a key; its text is told here and never again."""
    life = body.expires_in_seconds
    new = await keyring_of(request).create(
        KeyWish(
            name=body.name,
            tenant=body.tenant,
            role=body.role,
            rates=body.rates.over(RateLimits()),
            limits=limits_of(body.budget.model_dump(), None, BudgetLimits()),
            expires_at=None if life is None else utc_now() + timedelta(seconds=life),
        )
    )
    return JSONResponse(new_key_view(new, now=utc_now()), 201, headers=NO_STORE)


@router.get("")
async def list_keys(request: Request, query: Annotated[KeyQuery, Query()]) -> dict[str, Any]:
    """In order of creation, also those that are revoked or have expired."""
    keys, now = await keyring_of(request).keys(tenant=query.tenant), utc_now()
    return {"keys": [key_view(key, now=now) for key in keys]}


@router.get("/{key_id}")
async def get_key(key_id: str, request: Request) -> dict[str, Any]:
    """One key, and what it may spend and has spent."""
    key = await keyring_of(request).get(key_id)
    return {**key_view(key, now=utc_now()), "account": await changed_limits(request, key.account_id, LimitsBody())}


@router.patch("/{key_id}")
async def change_key(key_id: str, body: LimitsChange, request: Request) -> dict[str, Any]:
    """Other rates, another budget."""
    keyring = keyring_of(request)
    key = await keyring.get(key_id)
    account = await changed_limits(request, key.account_id, body.budget)
    changed = await keyring.change_rates(key_id, body.rates.over(key.rates))
    return {**key_view(changed, now=utc_now()), "account": account}


@router.delete("/{key_id}")
async def revoke_key(key_id: str, request: Request) -> dict[str, Any]:
    """It lets nobody in from now on; its name stays in the log."""
    return key_view(await keyring_of(request).revoke(key_id), now=utc_now())


@router.post("/{key_id}/rotate", status_code=201, response_model=None)
async def rotate_key(key_id: str, body: RotateRequest, request: Request) -> JSONResponse:
    """A new text for the same holder; the old one ends after the grace period."""
    new = await keyring_of(request).rotate(key_id, grace_seconds=body.grace_seconds)
    return JSONResponse(new_key_view(new, now=utc_now()), 201, headers=NO_STORE)
