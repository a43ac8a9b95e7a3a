"""`antroute keys` and `antroute tenants`: who may come in, on the store itself, whether or not a service runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.terminal import AsJson, StoreUrl, note, opened_stores, run, say, say_json, say_table

if TYPE_CHECKING:
    from orchestrator.keys.keyring import Keyring, KeyWish, NewKey
    from storage.budget_records import BudgetLimits
    from storage.key_records import RateLimits

app = typer.Typer(help="API keys: who may come in, as whom.", no_args_is_help=True)
tenants = typer.Typer(help="Tenants: who has keys, jobs and traces that no other can see.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="For people: who or what the key is for; unique among a tenant's keys.")]
KeyId = Annotated[str, typer.Argument(help="The key's id, as `antroute keys list` shows it.")]
TenantName = Annotated[str, typer.Argument(help="a-z, 0-9, '-' and '_'.")]
Tenant = Annotated[str, typer.Option("--tenant", help="Whose key it is.")]
TenantFilter = Annotated[str | None, typer.Option("--tenant", help="Only keys of this tenant.")]
Role = Annotated[str, typer.Option("--role", help="admin, operator, writer or reader.")]
Days = Annotated[float | None, typer.Option("--days", min=0.0, help="It expires after so many days.")]
Usd = Annotated[float | None, typer.Option("--usd", min=0.0, help="Most USD over all runs.")]
Tokens = Annotated[int | None, typer.Option("--tokens", min=0, help="Most tokens over all runs.")]
Requests = Annotated[int | None, typer.Option("--requests-per-minute", min=1, help="Most requests a minute.")]
TokenRate = Annotated[int | None, typer.Option("--tokens-per-minute", min=1, help="Most tokens a minute.")]
Parallel = Annotated[int | None, typer.Option("--parallel", min=1, help="Most requests at one time.")]
Grace = Annotated[float, typer.Option("--grace-hours", min=0.0, help="For so long the old text still lets in.")]


@app.command("create")
def create_key(
    name: Name,
    role: Role = "writer",
    tenant: Tenant = "default",
    days: Days = None,
    usd: Usd = None,
    tokens: Tokens = None,
    requests_per_minute: Requests = None,
    tokens_per_minute: TokenRate = None,
    parallel: Parallel = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Makes a key and prints its text, which nobody can show again."""
    wish = _wish(
        name,
        role=role,
        tenant=tenant,
        days=days,
        limits=_limits(usd, tokens),
        rates=_rates(requests_per_minute, tokens_per_minute, parallel),
    )
    run(_create(wish, store, as_json))


@app.command("list")
def list_keys(tenant: TenantFilter = None, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """All keys in order of creation, also those that have ended; never their texts."""
    run(_list(tenant, store, as_json))


@app.command("revoke")
def revoke_key(key_id: KeyId, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """It lets nobody in from now on; services that run heed it within seconds."""
    run(_revoke(key_id, store, as_json))


@app.command("rotate")
def rotate_key(key_id: KeyId, grace_hours: Grace = 24.0, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """A new text for the same holder; prints it."""
    run(_rotate(key_id, grace_hours * 3600, store, as_json))


@tenants.command("create")
def create_tenant(
    name: TenantName,
    usd: Usd = None,
    tokens: Tokens = None,
    requests_per_minute: Requests = None,
    tokens_per_minute: TokenRate = None,
    parallel: Parallel = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Makes a tenant; its account `tenant_NAME` is above those of all its keys."""
    rates = _rates(requests_per_minute, tokens_per_minute, parallel)
    run(_create_tenant(name, _limits(usd, tokens), rates, store, as_json))


@tenants.command("list")
def list_tenants(store: StoreUrl = None, as_json: AsJson = False) -> None:
    """All tenants by name."""
    run(_list_tenants(store, as_json))


@asynccontextmanager
async def _keyring(store: str | None, *, may_be_new: bool = False) -> AsyncGenerator[Keyring, None]:
    from orchestrator.keys.keyring import Keyring
    from orchestrator.secret import service_secret
    from orchestrator.settings import load_settings

    secret = service_secret(load_settings())
    async with opened_stores(store, may_be_new=may_be_new) as stores:
        yield Keyring(stores.keys, stores.budgets, secret=secret)


async def _create(wish: KeyWish, store: str | None, as_json: bool) -> None:
    async with _keyring(store, may_be_new=True) as keyring:
        _tell(await keyring.create(wish), as_json)


async def _rotate(key_id: str, grace_seconds: float, store: str | None, as_json: bool) -> None:
    async with _keyring(store) as keyring:
        _tell(await keyring.rotate(key_id, grace_seconds=grace_seconds), as_json)


def _tell(new: NewKey, as_json: bool) -> None:
    """The text alone goes to stdout, for scripts."""
    from orchestrator.keys.views import new_key_view
    from storage.records import utc_now

    if as_json:
        say_json(new_key_view(new, now=utc_now()))
        return
    key = new.key
    say(new.text)
    note(f"{key.id}: {key.role} of tenant {key.tenant!r}, account {key.account_id}. Keep the text: it is not stored.")


async def _list(tenant: str | None, store: str | None, as_json: bool) -> None:
    from orchestrator.keys.views import key_view
    from storage.records import utc_now

    now = utc_now()
    async with _keyring(store) as keyring:
        views = [key_view(key, now=now) for key in await keyring.keys(tenant=tenant)]
    if as_json:
        say_json(views)
    elif views:
        columns = ["id", "name", "tenant", "role", "state", "ending", "created_at", "expires_at"]
        say_table(columns, [[_cell(view[column]) for column in columns] for view in views])
    else:
        say("No keys yet. Make one: antroute keys create NAME --role writer")


async def _revoke(key_id: str, store: str | None, as_json: bool) -> None:
    from orchestrator.keys.views import key_view
    from storage.records import utc_now

    async with _keyring(store) as keyring:
        key = await keyring.revoke(key_id)
    if as_json:
        say_json(key_view(key, now=utc_now()))
    else:
        say(f"{key.id} ({key.name!r} of tenant {key.tenant!r}) lets nobody in any more.")


async def _create_tenant(name: str, limits: BudgetLimits, rates: RateLimits, store: str | None, as_json: bool) -> None:
    from orchestrator.keys.views import tenant_view

    async with _keyring(store, may_be_new=True) as keyring:
        made = await keyring.create_tenant(name, limits=limits, rates=rates)
    if as_json:
        say_json(tenant_view(made))
    else:
        say(f"Tenant {made.name!r} with account {made.account_id}. A key: antroute keys create NAME --tenant {name}")


async def _list_tenants(store: str | None, as_json: bool) -> None:
    from orchestrator.keys.views import tenant_view

    async with _keyring(store) as keyring:
        views = [tenant_view(tenant) for tenant in await keyring.tenants()]
    if as_json:
        say_json(views)
    elif views:
        rows = [[view["name"], view["account_id"], _cell(view["created_at"])] for view in views]
        say_table(["name", "account", "created_at"], rows)
    else:
        say("No tenants yet. Make one: antroute tenants create NAME")


def _wish(name: str, *, role: str, tenant: str, days: float | None, limits: BudgetLimits, rates: RateLimits) -> KeyWish:
    """Raises InvalidInput for a role that there is not."""
    from orchestrator.keys.keyring import KeyWish, role_of
    from storage.records import utc_now

    expires_at = None if days is None else utc_now() + timedelta(days=days)
    return KeyWish(name=name, tenant=tenant, role=role_of(role), rates=rates, limits=limits, expires_at=expires_at)


def _limits(usd: float | None, tokens: int | None) -> BudgetLimits:
    from orchestrator.budget_options import limits_of
    from storage.budget_records import BudgetLimits

    return limits_of({"usd": usd, "tokens": tokens}, None, BudgetLimits())


def _rates(requests_per_minute: int | None, tokens_per_minute: int | None, parallel: int | None) -> RateLimits:
    from storage.key_records import RateLimits

    return RateLimits(
        requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute, parallel_requests=parallel
    )


def _cell(value: str | None) -> str:
    return "-" if value is None else value
