"""Budget accounts and holds, counted in the database: what two callers see free, only one of them can take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, bindparam, insert, select, update

from storage.canonical import checked_id, iso, moment_of
from storage.chain import forfeiture
from storage.errors import RecordNotFound
from storage.money import checked_account, checked_usd, ensure_affordable, from_nano, to_nano
from storage.records import BudgetAccount, Hold, utc_now
from storage.sql.batch import Batch
from storage.sql.store import SqlStore
from storage.sql.tables import budget_accounts, budget_holds

accounts = budget_accounts.c
holds = budget_holds.c

IDS: BindParameter[list[str]] = bindparam("ids", expanding=True)
ACCOUNT = select(budget_accounts).where(accounts.id == bindparam("account_id"))
# Rows are locked in one order for all callers (a no-op on SQLite, where one transaction writes at a time).
LINE = select(budget_accounts).where(accounts.id.in_(IDS)).order_by(accounts.id).with_for_update()
PARENT = select(accounts.id, accounts.parent_id).where(accounts.id == bindparam("account_id"))
CHANGE = (
    update(budget_accounts)
    .where(accounts.id.in_(IDS))
    .values(held_nano=accounts.held_nano + bindparam("held"), spent_nano=accounts.spent_nano + bindparam("spent"))
)
SET_LIMIT = update(budget_accounts).where(accounts.id == bindparam("account_id")).values(limit_nano=bindparam("limit"))
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

    async def hold(self, account_id: str, amount_usd: Decimal, *, seconds: float) -> Hold:
        checked_id(account_id, "account_id")
        expires_at = utc_now() + timedelta(seconds=seconds)
        amount_usd = checked_usd(amount_usd, "amount_usd")
        wanted = Hold(account_id=account_id, amount_usd=amount_usd, expires_at=expires_at)
        return await self.writer.run(lambda batch: _hold(batch.connection, wanted))

    async def settle(self, hold_id: str, actual_usd: Decimal) -> None:
        checked_id(hold_id, "hold_id")
        actual_usd = checked_usd(actual_usd, "actual_usd")
        await self.writer.run(lambda batch: _settle(batch.connection, hold_id, actual_usd))

    async def reap(self, now: datetime) -> list[Hold]:
        moment = iso(now, field="now")

        def apply(batch: Batch) -> list[Hold]:
            rows = batch.connection.execute(EXPIRED, {"now": moment}).all()
            expired = [_hold_from(row) for row in rows]
            for hold in expired:
                _charge(batch.connection, hold, hold.amount_usd)
                batch.append(forfeiture(hold, at=now))
            return expired

        return await self.writer.run(apply)


def _open(connection: Connection, account: BudgetAccount) -> BudgetAccount:
    row = connection.execute(ACCOUNT, {"account_id": account.id}).one_or_none()
    opened = checked_account(account, None if row is None else _account_from(row))
    limit = None if opened.limit_usd is None else to_nano(opened.limit_usd)
    if row is not None:
        connection.execute(SET_LIMIT, {"account_id": opened.id, "limit": limit})
        return opened
    if opened.parent_id is not None:
        _account(connection, checked_id(opened.parent_id, "parent_id"))
    values = {
        "id": opened.id,
        "parent_id": opened.parent_id,
        "limit_nano": limit,
        "spent_nano": to_nano(opened.spent_usd),
        "held_nano": 0,
    }
    connection.execute(insert(budget_accounts), values)
    return opened


def _hold(connection: Connection, hold: Hold) -> Hold:
    line = _line(connection, hold.account_id)
    rows = {row.id: _account_from(row) for row in connection.execute(LINE, {"ids": line})}
    for account_id in line:
        ensure_affordable(rows[account_id], hold.amount_usd)
    amount = to_nano(hold.amount_usd)
    connection.execute(CHANGE, {"ids": line, "held": amount, "spent": 0})
    values = {"id": hold.id, "account_id": hold.account_id, "amount_nano": amount, "expires_at": iso(hold.expires_at)}
    connection.execute(insert(budget_holds), values)
    return hold


def _settle(connection: Connection, hold_id: str, actual_usd: Decimal) -> None:
    row = connection.execute(HOLD, {"hold_id": hold_id}).one_or_none()
    if row is None:
        raise RecordNotFound(f"No hold {hold_id!r}.")
    if row.charged_nano is None:
        _charge(connection, _hold_from(row), actual_usd)


def _charge(connection: Connection, hold: Hold, actual_usd: Decimal) -> None:
    line = _line(connection, hold.account_id)
    charged = to_nano(actual_usd)
    connection.execute(CHANGE, {"ids": line, "held": -to_nano(hold.amount_usd), "spent": charged})
    connection.execute(CHARGE, {"hold_id": hold.id, "charged": charged})


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
    return BudgetAccount(
        id=row.id,
        parent_id=row.parent_id,
        limit_usd=None if row.limit_nano is None else from_nano(row.limit_nano),
        spent_usd=from_nano(row.spent_nano),
        held_usd=from_nano(row.held_nano),
    )


def _hold_from(row: Row[Any]) -> Hold:
    return Hold(
        id=row.id,
        account_id=row.account_id,
        amount_usd=from_nano(row.amount_nano),
        expires_at=moment_of(row.expires_at),
    )
