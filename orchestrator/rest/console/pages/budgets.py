"""Budgets: accounts as a tree with what of each limit is spent, held and left; what is held now, and what ran out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse

from orchestrator.accounts import listed
from orchestrator.rest.budgets import seen
from orchestrator.rest.console.alerts import NEARLY_SPENT
from orchestrator.rest.console.page import page
from orchestrator.rest.identity_of import identity_of
from orchestrator.rest.inspect import service_of
from storage.budget_records import RESOURCES, BudgetAccount, Forfeit, Hold, Resource
from storage.records import utc_now
from storage.stores import BudgetStore

router = APIRouter(prefix="/console/budgets", include_in_schema=False)

ACCOUNTS_A_PAGE = 100
MOST_HOLDS = 50
MOST_FORFEITS = 20
WIDTH = 100.0  # of a bar

Held = TypeVar("Held", Hold, Forfeit)


@dataclass(frozen=True, kw_only=True)
class Use:
    """Of one resource. `spent_width` and `held_width` are per cent of the bar; a limit that is exceeded fills it."""

    resource: Resource
    spent: float
    held: float
    limit: float | None
    left: float | None
    spent_width: float = 0.0
    held_width: float = 0.0

    @property
    def look(self) -> str:
        used = (self.spent_width + self.held_width) / WIDTH
        return "bad" if used >= 1 else "warn" if used >= NEARLY_SPENT else "good"


@dataclass(frozen=True, kw_only=True)
class Row:
    """An account at its place in the tree. `parent_id`: told where the parent is not above it on the page."""

    account: BudgetAccount
    depth: int
    uses: tuple[Use, ...]
    parent_id: str | None = None


@router.get("")
async def show_budgets(
    request: Request,
    q: Annotated[str, Query(max_length=200)] = "",
    skip: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> HTMLResponse:
    """`q`: part of an account's id; of what it finds, no tree is made."""
    budgets = service_of(request).stores.budgets
    accounts = await seen(request, await listed(budgets, has_runs=False))
    rows = tree_of(accounts) if not q else [row_of(each, depth=0) for each in accounts if q.lower() in each.id.lower()]
    own = None if identity_of(request).sees is None else {each.id for each in accounts}
    values = {
        "rows": rows[skip : skip + ACCOUNTS_A_PAGE],
        "count": len(rows),
        "q": q,
        "skip": skip,
        "page_size": ACCOUNTS_A_PAGE,
        "holds": await _owned(budgets, await budgets.open_holds(limit=MOST_HOLDS), own),
        "most_holds": MOST_HOLDS,
        "forfeits": await _owned(budgets, await budgets.forfeits(limit=MOST_FORFEITS), own),
        "most_forfeits": MOST_FORFEITS,
        "is_own": own is not None,
        "now": utc_now(),
    }
    return page(request, "budgets.html", active="budgets", values=values)


def tree_of(accounts: Sequence[BudgetAccount]) -> list[Row]:
    """Parents before their children, brothers by id; an account whose parent is not among them is a root."""
    known = {each.id for each in accounts}
    parent_to_children: dict[str | None, list[BudgetAccount]] = {}
    for each in accounts:
        parent_to_children.setdefault(each.parent_id if each.parent_id in known else None, []).append(each)
    rows: list[Row] = []
    waiting = [(each, 0) for each in reversed(parent_to_children.get(None, []))]
    while waiting:
        account, depth = waiting.pop()
        rows.append(row_of(account, depth=depth))
        waiting += [(child, depth + 1) for child in reversed(parent_to_children.get(account.id, []))]
    return rows


def row_of(account: BudgetAccount, *, depth: int) -> Row:
    """Every resource that is limited or was used; dollars always."""
    uses = [_use(account, resource) for resource in RESOURCES]
    told = tuple(use for use in uses if use.resource == "usd" or use.limit is not None or use.spent or use.held)
    return Row(account=account, depth=depth, uses=told, parent_id=account.parent_id if depth == 0 else None)


def _use(account: BudgetAccount, resource: Resource) -> Use:
    spent, held = float(getattr(account.spent, resource)), float(getattr(account.held, resource))
    limit = getattr(account.limits, resource)
    if limit is None:
        return Use(resource=resource, spent=spent, held=held, limit=None, left=None)
    whole = float(limit)
    first = min(spent / whole, 1.0) if whole else 1.0
    second = min(held / whole, 1.0 - first) if whole else 0.0
    return Use(
        resource=resource,
        spent=spent,
        held=held,
        limit=whole,
        left=float(getattr(account.remaining, resource)),
        spent_width=first * WIDTH,
        held_width=second * WIDTH,
    )


async def _owned(budgets: BudgetStore, found: Sequence[Held], own: set[str] | None) -> list[Held]:
    """Those on one's own accounts, or on an account of a run below one."""
    if own is None:
        return list(found)
    kept = []
    for each in found:
        line = [above.id for above in await budgets.line(each.account_id)]
        if not own.isdisjoint(line):
            kept.append(each)
    return kept
