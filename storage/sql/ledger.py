"""Budget accounts within one transaction: each is read once, counted in integers and written back at the end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, Text, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from storage.budget_records import Amount, BudgetAccount, BudgetLimits, Hold
from storage.canonical import iso, moment_of
from storage.errors import RecordNotFound
from storage.money import MICRO, Counts, amount_from, counts_of, ensure_affordable, from_nano, to_nano
from storage.sql.hot import HotStatement, hot_insert
from storage.sql.tables import budget_accounts, budget_holds

COUNTED = ("nano", "tokens", "microseconds", "microjoules")  # the fields of Counts, and the ends of columns' names

_accounts, _holds = budget_accounts.c, budget_holds.c
ACCOUNT_COLUMNS = (
    _accounts.id,
    _accounts.parent_id,
    *(_accounts[f"{what}_{unit}"] for what in ("limit", "spent", "held") for unit in COUNTED),
)
HOLD_COLUMNS = (
    _holds.account_id,
    *(_holds[f"amount_{unit}"] for unit in COUNTED),
    _holds.expires_at,
    _holds.charged_nano,
)
# Rows are locked (a no-op on SQLite, where one transaction writes at a time).
ACCOUNT = HotStatement(select(*ACCOUNT_COLUMNS).where(_accounts.id == bindparam("account_id")).with_for_update())
HOLD = HotStatement(select(*HOLD_COLUMNS).where(_holds.id == bindparam("hold_id")).with_for_update())
COUNT = HotStatement(
    update(budget_accounts)
    .where(_accounts.id == bindparam("account_id"))
    .values({f"{what}_{unit}": bindparam(f"new_{what}_{unit}") for what in ("spent", "held") for unit in COUNTED})
)
CHARGE = HotStatement(
    update(budget_holds).where(_holds.id == bindparam("hold_id")).values(charged_nano=bindparam("charged"))
)
INSERT_HOLD = hot_insert(budget_holds)
INSERT_ACCOUNT = hot_insert(budget_accounts)


def _lines() -> HotStatement:
    """These accounts and their ancestors; of PostgreSQL."""
    here = select(_accounts.id, _accounts.parent_id).where(_accounts.id == func.any(IDS))
    line, above = here.cte("line", recursive=True), budget_accounts.alias("above")
    line = line.union(select(above.c.id, above.c.parent_id).where(above.c.id == line.c.parent_id))
    found = select(*ACCOUNT_COLUMNS).where(_accounts.id.in_(select(line.c.id)))
    return HotStatement(found.order_by(_accounts.id).with_for_update())


IDS: BindParameter[Sequence[str]] = bindparam("ids", type_=ARRAY(Text))
LINES = _lines()
HOLDS = HotStatement(
    select(_holds.id, *HOLD_COLUMNS).where(_holds.id == func.any(IDS)).order_by(_holds.id).with_for_update()
)


@dataclass(slots=True)
class Counted:
    """One account as it stands in this transaction; each list has a number for each of COUNTED."""

    id: str
    parent_id: str | None
    limit: Sequence[int | None]
    spent: list[int]
    held: list[int]

    def has_room(self, amount: Sequence[int]) -> bool:
        return all(
            limit is None or spent + held + more <= limit
            for limit, spent, held, more in zip(self.limit, self.spent, self.held, amount, strict=True)
        )

    def account(self) -> BudgetAccount:
        nano, tokens, microseconds, microjoules = self.limit
        limits = BudgetLimits(
            usd=None if nano is None else from_nano(nano),
            tokens=tokens,
            seconds=None if microseconds is None else microseconds / MICRO,
            joules=None if microjoules is None else microjoules / MICRO,
        )
        account = BudgetAccount.of(self.id, limits, parent_id=self.parent_id)
        return replace(account, spent=_amount(self.spent), held=_amount(self.held))


class Ledger:
    """What of accounts and holds this transaction has read and changed. Whoever goes past it calls `flush` first."""

    def __init__(self, connection: Connection, *, is_careful: bool) -> None:
        """`is_careful`: a hold may be there already, from a commit that nobody knows about."""
        self.connection = connection
        self.is_careful = is_careful
        self.accounts: dict[str, Counted] = {}
        self.changed: dict[str, Counted] = {}
        self.new_holds: dict[str, Hold] = {}
        self.charged: dict[str, int] = {}  # hold to nano-dollars
        self.new_accounts: dict[str, dict[str, Any]] = {}
        self.absent: set[str] = set()  # accounts that were looked for
        self.holds: dict[str, Sequence[Any]] = {}  # that were looked for, by id

    def look(self, *, account_ids: Collection[str], hold_ids: Collection[str]) -> None:
        """Reads and locks the holds and the lines of accounts in a round trip each, on PostgreSQL."""
        if hold_ids:
            self.holds = {row[0]: row[1:] for row in HOLDS.rows(self.connection, {"ids": list(hold_ids)})}
        wanted = {*account_ids, *(row[0] for row in self.holds.values())}
        if wanted:
            found = {row[0]: counted(row, row[0]) for row in LINES.rows(self.connection, {"ids": list(wanted)})}
            self.accounts |= found
            self.absent = wanted - found.keys()

    def open(self, row: dict[str, Any]) -> None:
        """Adds an account, by its columns."""
        self.new_accounts[row["id"]] = row
        self.accounts[row["id"]] = counted([row[column.name] for column in ACCOUNT_COLUMNS], row["id"])

    def hold(self, hold: Hold) -> Hold:
        """Raises BudgetExceeded or RecordNotFound, and nothing is changed."""
        if self.is_careful and HOLD.first(self.connection, {"hold_id": hold.id}) is not None:
            return hold
        line, amount = self._line(hold.account_id), _numbers(hold.amount)
        for account in line:
            if not account.has_room(amount):
                ensure_affordable(account.account(), hold.amount)
        for account in line:
            account.held = [held + more for held, more in zip(account.held, amount, strict=True)]
            self.changed[account.id] = account
        self.new_holds[hold.id] = hold
        return hold

    def settle(self, hold_id: str, actual: Amount) -> None:
        """A second time changes nothing. Raises RecordNotFound."""
        if hold_id in self.charged:
            return
        hold = self.new_holds.get(hold_id)
        if hold is None:
            row = self.holds.get(hold_id) or HOLD.first(self.connection, {"hold_id": hold_id})
            if row is None:
                raise RecordNotFound(f"No hold {hold_id!r}.")
            account_id, *amount, _, charged_nano = row
            if charged_nano is None:
                self._charge(hold_id, account_id, amount, actual)
        else:
            self._charge(hold_id, hold.account_id, _numbers(hold.amount), actual)

    def flush(self) -> None:
        """Writes what has changed; what comes next is read anew."""
        INSERT_ACCOUNT.each(self.connection, list(self.new_accounts.values()))
        INSERT_HOLD.each(self.connection, [hold_row(hold) for hold in self.new_holds.values()])
        CHARGE.each(self.connection, [{"hold_id": hold_id, "charged": nano} for hold_id, nano in self.charged.items()])
        COUNT.each(self.connection, [_counts_row(account) for account in self.changed.values()])
        for kept in (self.accounts, self.changed, self.new_holds, self.charged, self.new_accounts, self.holds):
            kept.clear()
        self.absent.clear()

    def _charge(self, hold_id: str, account_id: str, amount: Sequence[int], actual: Amount) -> None:
        spent = _numbers(actual)
        for account in self._line(account_id):
            account.held = [held - less for held, less in zip(account.held, amount, strict=True)]
            account.spent = [before + more for before, more in zip(account.spent, spent, strict=True)]
            self.changed[account.id] = account
        self.charged[hold_id] = to_nano(actual.usd)

    def _line(self, account_id: str) -> list[Counted]:
        """The account's ancestors and itself, root first."""
        line: list[Counted] = []
        current: str | None = account_id
        while current is not None:
            line.insert(0, self.account(current))
            current = line[0].parent_id
        return line

    def account(self, account_id: str) -> Counted:
        """Raises RecordNotFound."""
        known = self.known(account_id)
        return counted(None, account_id) if known is None else known

    def known(self, account_id: str) -> Counted | None:
        if account_id not in self.accounts:
            if account_id in self.absent:
                return None
            row = ACCOUNT.first(self.connection, {"account_id": account_id})
            if row is None:
                return None
            self.accounts[account_id] = counted(row, account_id)
        return self.accounts[account_id]


def counted(row: Sequence[Any] | Row[Any] | None, account_id: str) -> Counted:
    """The account in a row of ACCOUNT_COLUMNS. Raises RecordNotFound where there is none."""
    if row is None:
        raise RecordNotFound(f"No budget account {account_id!r}; open it first.")
    id, parent_id, *numbers = row
    return Counted(id=id, parent_id=parent_id, limit=numbers[:4], spent=numbers[4:8], held=numbers[8:])


def hold_from(row: Row[Any]) -> Hold:
    columns = row._mapping
    return Hold(
        id=row.id,
        account_id=row.account_id,
        amount=_amount([columns[f"amount_{unit}"] for unit in COUNTED]),
        expires_at=moment_of(row.expires_at),
    )


def hold_row(hold: Hold) -> dict[str, Any]:
    expires_at = iso(hold.expires_at, field="expires_at")
    return {
        "id": hold.id,
        "account_id": hold.account_id,
        "expires_at": expires_at,
        "charged_nano": None,
        **counts_to(hold.amount, "amount"),
    }


def counts_to(amount: Amount, what: str) -> dict[str, int]:
    """Columns' names to counts."""
    return {f"{what}_{unit}": number for unit, number in zip(COUNTED, _numbers(amount), strict=True)}


def _counts_row(account: Counted) -> dict[str, Any]:
    row: dict[str, Any] = {"account_id": account.id}
    for what, numbers in (("spent", account.spent), ("held", account.held)):
        row |= {f"new_{what}_{unit}": number for unit, number in zip(COUNTED, numbers, strict=True)}
    return row


def _numbers(amount: Amount) -> tuple[int, int, int, int]:
    counts = counts_of(amount)
    return counts.nano, counts.tokens, counts.microseconds, counts.microjoules


def _amount(numbers: Sequence[int]) -> Amount:
    return amount_from(Counts(**dict(zip(COUNTED, numbers, strict=True))))
