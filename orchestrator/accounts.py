"""Budget accounts for people who look and people who set limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from orchestrator.budget_options import limits_of
from orchestrator.views import plain
from storage.budget_records import RESOURCES, BudgetAccount, BudgetLimits
from storage.errors import InvalidInput, RecordNotFound
from storage.stores import BudgetStore

OF_A_RUN = "run_"  # how the ids of accounts begin that a run opened for itself
NONE = "none"


def account_view(account: BudgetAccount) -> dict[str, Any]:
    """Limits, spent, held and remaining by resource; null: no limit of its own."""
    return {
        "id": account.id,
        "parent_id": account.parent_id,
        "limits": plain(account.limits),
        "spent": plain(account.spent),
        "held": plain(account.held),
        "remaining": plain(account.remaining),
    }


async def listed(budgets: BudgetStore, *, has_runs: bool) -> list[BudgetAccount]:
    """All accounts by id; those that runs opened for themselves only if wanted."""
    return await budgets.accounts(without=None if has_runs else OF_A_RUN)


async def line_of(budgets: BudgetStore, account_id: str) -> list[BudgetAccount]:
    """The account, its parent, the parent's parent, and so on. Raises RecordNotFound."""
    line = [await budgets.get(account_id)]
    while (parent_id := line[-1].parent_id) is not None:
        line.append(await budgets.get(parent_id))
    return line


def owned(accounts: Sequence[BudgetAccount], own: str, others: Set[str]) -> list[BudgetAccount]:
    """The account `own` and what lies under it, but for what lies under one of the others."""
    id_to_parent = {account.id: account.parent_id for account in accounts}

    def is_owned(account_id: str | None) -> bool:
        while account_id is not None and account_id != own and account_id not in others:
            account_id = id_to_parent.get(account_id)
        return account_id == own

    return [account for account in accounts if is_owned(account.id)]


def own_line(line: Sequence[BudgetAccount], own: str, others: Set[str]) -> list[BudgetAccount]:
    """The line up to the account `own`. Raises RecordNotFound, as if it were not there, for anybody else's."""
    ids = [account.id for account in line]
    kept = line[: ids.index(own) + 1] if own in ids else []
    if not kept or any(account.id in others for account in kept):
        raise RecordNotFound(f"No budget account {line[0].id!r}; open it first.")
    return list(kept)


async def with_limits(
    budgets: BudgetStore, account_id: str, wished: Mapping[str, str], *, parent_id: str | None = None
) -> BudgetAccount:
    """The account with these limits, by resource (`none`: none); the others stay. It is opened if it is not there.

    Raises InvalidInput for what is no limit, RecordNotFound for an unknown parent.
    """
    if not account_id.strip() or account_id.startswith(OF_A_RUN):
        raise InvalidInput(
            f"{account_id!r} cannot be an account's id: give a word that does not begin with {OF_A_RUN!r}.",
            field="account",
        )
    try:
        usual = (await budgets.get(account_id)).limits
    except RecordNotFound:
        usual = BudgetLimits()
    given = {name: _number(name, text) for name, text in wished.items() if text != NONE}
    limits = limits_of(given, None, usual)
    kept = {name: None if wished.get(name) == NONE else getattr(limits, name) for name in RESOURCES}
    return await budgets.open(BudgetAccount.of(account_id, BudgetLimits.of(kept), parent_id=parent_id))


def _number(name: str, text: str) -> object:
    """The text as the number that it is; else as it stands, to be refused by name."""
    if name == "usd":
        return text
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if name == "tokens" and number.is_integer() else number
