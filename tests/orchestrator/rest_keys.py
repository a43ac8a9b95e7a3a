"""An application that demands keys, with a key of every role and whatever else a test needs of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import httpx

from orchestrator.keys.access import AccessRules
from orchestrator.keys.keyring import Keyring, KeyWish
from orchestrator.service import Service
from storage.budget_records import BudgetLimits
from storage.errors import RecordNotFound
from storage.key_records import KeyRole, RateLimits

SECRET = b"rest-secret-" * 4
RULES = AccessRules(requires_key=True, secret=SECRET)
CHAT = "/v1/chat/completions"


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A key's text, and the headers that send it."""

    id: str
    text: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.text}"}


async def holder(
    service: Service,
    *,
    tenant: str = "default",
    role: KeyRole = "writer",
    name: str = "",
    rates: RateLimits | None = None,
    limits: BudgetLimits | None = None,
) -> Holder:
    """A new key; its tenant is made where it is missing."""
    keyring = keyring_of(service)
    try:
        await keyring.tenant(tenant)
    except RecordNotFound:
        await keyring.create_tenant(tenant, limits=BudgetLimits(), rates=RateLimits())
    wish = KeyWish(
        name=name or role, tenant=tenant, role=role, rates=rates or RateLimits(), limits=limits or BudgetLimits()
    )
    new = await keyring.create(wish)
    return Holder(id=new.key.id, text=new.text)


def keyring_of(service: Service) -> Keyring:
    """Works on the store, as the command line does: the application does not hear of it."""
    return Keyring(service.stores.keys, service.stores.budgets, secret=SECRET)


async def routes_of(http: httpx.AsyncClient, headers: dict[str, str]) -> list[tuple[str, str]]:
    """Method and template of every route that the OpenAPI document names."""
    paths = (await http.get("/openapi.json", headers=headers)).json()["paths"]
    return [(method.upper(), path) for path, methods in sorted(paths.items()) for method in sorted(methods)]


def filled(template: str, values: dict[str, str] | None = None) -> str:
    """The template as a path; `x` for what has no value."""
    return re.sub(r"\{(\w+)\}", lambda found: (values or {}).get(found[1], "x"), template)
