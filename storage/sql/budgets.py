"""Budget accounts and holds, counted in the database: what two callers see free, only one of them can take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, bindparam, insert, select, update

from storage.budget_records import Amount, BudgetAccount, BudgetLimits, Hold
from storage.canonical import checked_id, iso, moment_of
from storage.chain import forfeiture
from storage.errors import RecordNotFound
from storage.job_records import Fence
from storage.money import (
    MICRO,
    Counts,
    amount_from,
    checked_account,
    checked_amount,
    counts_of,
    ensure_affordable,
    from_nano,
    lifted,
    to_micro,
    to_nano,
)
from storage.records import utc_now
from storage.sql.batch import Batch
from storage.sql.fences import ensure_fence
from storage.sql.store import SqlStore
from storage.sql.tables import budget_accounts, budget_holds

accounts = budget_accounts.c
holds = budget_holds.c

IDS: BindParameter[list[str]] = bindparam("ids", expanding=True)
ACCOUNT = select(budget_accounts).where(accounts.id == bindparam("account_id"))
# Rows are locked in one order for all callers (a no-op on SQLite, where one transaction writes at a time).
LINE = select(budget_accounts).where(accounts.id.in_(IDS)).order_by(accounts.id).with_for_update()
PARENT = select(accounts.id, accounts.parent_id).where(accounts.id == bindparam("account_id"))
COUNTED = ("nano", "tokens", "microseconds", "microjoules")  # the fields of Counts, and the ends of columns' names
CHANGE = (
    update(budget_accounts)
    .where(accounts.id.in_(IDS))
    .values(
        {
            f"{what}_{unit}": accounts[f"{what}_{unit}"] + bindparam(f"more_{what}_{unit}")
            for what in ("held", "spent")
            for unit in COUNTED
        }
    )
)
SET_LIMITS = (
    update(budget_accounts)
    .where(accounts.id == bindparam("account_id"))
    .values({f"limit_{unit}": bindparam(f"new_{unit}") for unit in COUNTED})
)
HOLD = select(budget_holds).where(holds.id == bindparam("hold_id")).with_for_update()
EXPIRED = (
    select(budget_holds)
    .where(holds.charged_nano.is_(None), holds.expires_at <= bindparam("now"))
    .order_by(holds.expires_at)
    .with_for_update()
)
CHARGE = update(budget_holds).where(holds.id == bindparam("hold_id")).values(charged_nano=bindparam("charged"))


class SqlBudgetStore(SqlStore):
    async def open(self, account: BudgetAccount) -> BudgetAccount:
        checked_id(account.id, "account_id")
        return await self.writer.run(lambda batch: _open(batch.connection, account))

    async def get(self, account_id: str) -> BudgetAccount:
        checked_id(account_id, "account_id")
        return await self.read(lambda connection: _account(connection, account_id))

    async def accounts(self) -> list[BudgetAccount]:
        query = select(budget_accounts).order_by(accounts.id)
        rows = await self.read(lambda connection: connection.execute(query).all())
        return [_account_from(row) for row in rows]

    async def lift(self, account_id: str, more: BudgetLimits) -> BudgetAccount:
        checked_id(account_id, "account_id")
        return await self.writer.run(lambda batch: _lift(batch.connection, account_id, more))

    async def hold(
        self, account_id: str, amount: Amount, *, expires_in_seconds: float, fence: Fence | None = None
    ) -> Hold:
        checked_id(account_id, "account_id")
        expires_at = utc_now() + timedelta(seconds=expires_in_seconds)
        wanted = Hold(account_id=account_id, amount=checked_amount(amount, "amount"), expires_at=expires_at)

        def apply(batch: Batch) -> Hold:
            ensure_fence(batch.connection, fence)
            return _hold(batch.connection, wanted)

        return await self.writer.run(apply)

    async def settle(self, hold_id: str, actual: Amount, *, fence: Fence | None = None) -> None:
        checked_id(hold_id, "hold_id")
        actual = checked_amount(actual, "actual")

        def apply(batch: Batch) -> None:
            ensure_fence(batch.connection, fence)
            _settle(batch.connection, hold_id, actual)

        await self.writer.run(apply)

    async def reap(self, now: datetime) -> list[Hold]:
        moment = iso(now, field="now")

        def apply(batch: Batch) -> list[Hold]:
            rows = batch.connection.execute(EXPIRED, {"now": moment}).all()
            expired = [_hold_from(row) for row in rows]
            for hold in expired:
                _charge(batch.connection, hold, hold.amount)
                batch.append(forfeiture(hold, at=now))
            return expired

        return await self.writer.run(apply)


def _open(connection: Connection, account: BudgetAccount) -> BudgetAccount:
    row = connection.execute(ACCOUNT, {"account_id": account.id}).one_or_none()
    opened = checked_account(account, None if row is None else _account_from(row))
    if row is not None:
        _set_limits(connection, opened)
        return opened
    if opened.parent_id is not None:
        _account(connection, checked_id(opened.parent_id, "parent_id"))
    values = {
        "id": opened.id,
        "parent_id": opened.parent_id,
        **_limits_to(opened, "limit"),
        **_counts_to(opened.spent, "spent"),
        **_counts_to(opened.held, "held"),
    }
    connection.execute(insert(budget_accounts), values)
    return opened


def _lift(connection: Connection, account_id: str, more: BudgetLimits) -> BudgetAccount:
    row = connection.execute(LINE, {"ids": [account_id]}).one_or_none()
    if row is None:
        raise _no_account(account_id)
    known = _account_from(row)
    account = checked_account(BudgetAccount.of(account_id, lifted(known.limits, more)), known)
    _set_limits(connection, account)
    return account


def _set_limits(connection: Connection, account: BudgetAccount) -> None:
    connection.execute(SET_LIMITS, {"account_id": account.id, **_limits_to(account, "new")})


def _hold(connection: Connection, hold: Hold) -> Hold:
    line = _line(connection, hold.account_id)
    rows = {row.id: _account_from(row) for row in connection.execute(LINE, {"ids": line})}
    for account_id in line:
        ensure_affordable(rows[account_id], hold.amount)
    _change(connection, line, held=hold.amount, spent=Amount())
    values = {"id": hold.id, "account_id": hold.account_id, "expires_at": iso(hold.expires_at)}
    connection.execute(insert(budget_holds), {**values, **_counts_to(hold.amount, "amount")})
    return hold


def _settle(connection: Connection, hold_id: str, actual: Amount) -> None:
    row = connection.execute(HOLD, {"hold_id": hold_id}).one_or_none()
    if row is None:
        raise RecordNotFound(f"No hold {hold_id!r}.")
    if row.charged_nano is None:
        _charge(connection, _hold_from(row), actual)


def _charge(connection: Connection, hold: Hold, actual: Amount) -> None:
    _change(connection, _line(connection, hold.account_id), held=Amount() - hold.amount, spent=actual)
    connection.execute(CHARGE, {"hold_id": hold.id, "charged": to_nano(actual.usd)})


def _change(connection: Connection, line: Sequence[str], *, held: Amount, spent: Amount) -> None:
    connection.execute(CHANGE, {"ids": line, **_counts_to(held, "more_held"), **_counts_to(spent, "more_spent")})


def _line(connection: Connection, account_id: str) -> Sequence[str]:
    """Ids of the account's ancestors and its own, root first; parents never change, so this needs no lock."""
    line: list[str] = []
    current: str | None = account_id
    while current is not None:
        row = connection.execute(PARENT, {"account_id": current}).one_or_none()
        if row is None:
            raise _no_account(current)
        line.insert(0, current)
        current = row.parent_id
    return line


def _account(connection: Connection, account_id: str) -> BudgetAccount:
    row = connection.execute(ACCOUNT, {"account_id": account_id}).one_or_none()
    if row is None:
        raise _no_account(account_id)
    return _account_from(row)


def _no_account(account_id: str) -> RecordNotFound:
    return RecordNotFound(f"No budget account {account_id!r}; open it first.")


def _account_from(row: Row[Any]) -> BudgetAccount:
    limits = BudgetLimits(
        usd=None if row.limit_nano is None else from_nano(row.limit_nano),
        tokens=row.limit_tokens,
        seconds=None if row.limit_microseconds is None else row.limit_microseconds / MICRO,
        joules=None if row.limit_microjoules is None else row.limit_microjoules / MICRO,
    )
    account = BudgetAccount.of(row.id, limits, parent_id=row.parent_id)
    return replace(account, spent=_amount_from(row, "spent"), held=_amount_from(row, "held"))


def _hold_from(row: Row[Any]) -> Hold:
    return Hold(
        id=row.id,
        account_id=row.account_id,
        amount=_amount_from(row, "amount"),
        expires_at=moment_of(row.expires_at),
    )


def _amount_from(row: Row[Any], what: str) -> Amount:
    columns = row._mapping
    return amount_from(Counts(**{unit: columns[f"{what}_{unit}"] for unit in COUNTED}))


def _counts_to(amount: Amount, what: str) -> dict[str, int]:
    """Columns' names to counts."""
    counts = counts_of(amount)
    return {f"{what}_{unit}": getattr(counts, unit) for unit in COUNTED}


def _limits_to(account: BudgetAccount, what: str) -> dict[str, int | None]:
    """Columns' names to counts; None: no limit."""
    limits = account.limits
    return {
        f"{what}_nano": None if limits.usd is None else to_nano(limits.usd),
        f"{what}_tokens": limits.tokens,
        f"{what}_microseconds": None if limits.seconds is None else to_micro(limits.seconds),
        f"{what}_microjoules": None if limits.joules is None else to_micro(limits.joules),
    }
