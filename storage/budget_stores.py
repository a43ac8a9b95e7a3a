"""What a store of budgets must do. Beside `storage.stores`, same rules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from storage.budget_records import Amount, BudgetAccount, BudgetLimits, Forfeit, Hold
from storage.job_records import Fence
from storage.records import Item


class BudgetStore(Protocol):
    async def open(self, account: BudgetAccount) -> BudgetAccount:
        """Creates the account, or sets the limits of the one of this id; spent and held stay as they are."""
        ...

    async def get(self, account_id: str) -> BudgetAccount: ...

    async def line(self, account_id: str) -> list[BudgetAccount]:
        """The account, its parent, the parent's parent and so on, as they are at one moment. Raises RecordNotFound."""
        ...

    async def accounts(self, *, without: str | None = None) -> list[BudgetAccount]:
        """By id. `without`: but for those whose id begins so."""
        ...

    async def lift(self, account_id: str, more: BudgetLimits) -> BudgetAccount:
        """Raises the account's limits by `more`, at once; where it has no limit, or `more` is None, nothing changes."""
        ...

    async def hold(
        self,
        account_id: str,
        amount: Amount,
        *,
        expires_in_seconds: float,
        fence: Fence | None = None,
        items: Sequence[Item] = (),
    ) -> Hold:
        """Sets the amount aside on the account and all its ancestors, or raises BudgetExceeded and holds nothing.

        Either all four resources fit everywhere, or nothing is held. Raises LeaseLost for a fence that is not good.
        `items` are written first, as by `Journal.write`, in the same transaction, and stay where the amount does not
        fit; where they are refused nothing is held.
        """
        ...

    async def settle(
        self, hold_id: str, actual: Amount, *, fence: Fence | None = None, items: Sequence[Item] = ()
    ) -> None:
        """Charges what was really spent and frees the rest, here and on all ancestors; a second call changes nothing.

        Raises RecordNotFound for an unknown hold; LeaseLost for a fence that is not good: then the hold runs out.
        `items` are written after it, as by `Journal.write`, in the same transaction; where they are refused, the hold
        is settled all the same.
        """
        ...

    async def open_holds(self, *, limit: int) -> list[Hold]:
        """What is set aside now, the first to expire first."""
        ...

    async def forfeits(self, *, limit: int) -> list[Forfeit]:
        """Holds that ran out, newest first."""
        ...

    async def reap(self, now: datetime) -> list[Hold]:
        """Settles holds past their time at the full amount (nobody can say what was spent) and logs each one."""
        ...
