"""`antroute budgets`: what accounts may spend, and what they have spent and hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.terminal import AsJson, StoreUrl, note, opened_stores, run, say, say_json, say_table

if TYPE_CHECKING:
    from storage.budget_records import BudgetAccount, Resource

app = typer.Typer(help="What accounts may spend, and what they have spent and hold.", no_args_is_help=True)

DEFAULT = "default"
Account = Annotated[str, typer.Argument(help="The account's id.")]
Runs = Annotated[bool, typer.Option("--runs", help="Also the accounts that runs opened for themselves.")]
Usd = Annotated[str | None, typer.Option("--usd", help="Most USD over all runs; none: no limit.")]
Tokens = Annotated[str | None, typer.Option("--tokens", help="Most tokens; none: no limit.")]
Seconds = Annotated[str | None, typer.Option("--seconds", help="Most seconds that models work; none: no limit.")]
Joules = Annotated[str | None, typer.Option("--joules", help="Most energy in joules; none: no limit.")]
Parent = Annotated[str | None, typer.Option("--parent", help="The account that it draws on too; for a new one.")]


@app.command("list")
def list_accounts(runs: Runs = False, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Every account, one line for each resource that is limited or was used."""
    run(_list(runs, store, as_json))


@app.command()
def show(account: Account, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """One account and those that it draws on."""
    run(_show(account, store, as_json))


@app.command("set")
def set_limits(
    account: Account,
    usd: Usd = None,
    tokens: Tokens = None,
    seconds: Seconds = None,
    joules: Joules = None,
    parent: Parent = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Sets limits, and opens the account if it is not there; what is not named stays."""
    given = {"usd": usd, "tokens": tokens, "seconds": seconds, "joules": joules}
    run(_set(account, {name: text for name, text in given.items() if text is not None}, parent, store, as_json))


async def _list(has_runs: bool, store: str | None, as_json: bool) -> None:
    from orchestrator.accounts import account_view, listed

    async with opened_stores(store) as stores:
        accounts = await listed(stores.budgets, has_runs=has_runs)
    if as_json:
        say_json([account_view(account) for account in accounts])
    elif accounts:
        _table(accounts)
    else:
        say("No accounts yet. Open one: antroute budgets set team --usd 5")


async def _show(account_id: str, store: str | None, as_json: bool) -> None:
    from orchestrator.accounts import account_view, line_of

    async with opened_stores(store) as stores:
        line = await line_of(stores.budgets, account_id)
    if as_json:
        first, *parents = [account_view(account) for account in line]
        say_json({**first, "parents": parents})
    else:
        _table(line)


async def _set(account_id: str, wished: dict[str, str], parent: str | None, store: str | None, as_json: bool) -> None:
    from orchestrator.accounts import account_view, with_limits

    async with opened_stores(store, may_be_new=True) as stores:
        account = await with_limits(stores.budgets, account_id, wished, parent_id=parent)
    if account_id == DEFAULT:
        note("note: `budget.account_limit_*` of the settings are put in force again at each start of the service")
    if as_json:
        say_json(account_view(account))
    else:
        _table([account])


def _table(accounts: list[BudgetAccount]) -> None:
    from storage.budget_records import RESOURCES

    rows = [row for account in accounts for row in [_row(account, name) for name in RESOURCES] if row]
    say_table(["account", "parent", "resource", "limit", "spent", "held", "left"], rows)


def _row(account: BudgetAccount, name: Resource) -> list[str] | None:
    """None for a resource that has no limit and was not used; money is always shown."""
    from storage.money import quantity

    limit, left = getattr(account.limits, name), getattr(account.remaining, name)
    spent, held = getattr(account.spent, name), getattr(account.held, name)
    if name != "usd" and limit is None and not spent and not held:
        return None
    texts = ["-" if number is None else quantity(name, number) for number in (limit, spent, held, left)]
    return [account.id, account.parent_id or "-", name, *texts]
