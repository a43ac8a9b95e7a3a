"""Budget accounts and holds, counted in the database: what two callers see free, only one of them can take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, bindparam, func, literal_column, select, update

from storage.budget_records import Amount, BudgetAccount, BudgetLimits, Forfeit, Hold
from storage.canonical import checked_id, iso
from storage.chain import forfeit_from, forfeiture
from storage.errors import InvalidInput
from storage.job_records import Fence
from storage.money import checked_account, checked_amount, lifted, to_micro, to_nano
from storage.records import utc_now
from storage.sql.batch import Batch, Needs
from storage.sql.hot import HotStatement
from storage.sql.ledger import ACCOUNT_COLUMNS, COUNTED, counted, counts_to, hold_from
from storage.sql.store import SqlStore
from storage.sql.tables import audit_events, budget_accounts, budget_holds
from storage.stores import Item
from storage.writing import Write, staged

accounts = budget_accounts.c
holds = budget_holds.c

ALL = select(*ACCOUNT_COLUMNS).order_by(accounts.id)
SET_LIMITS = (
    update(budget_accounts)
    .where(accounts.id == bindparam("account_id"))
    .values({f"limit_{unit}": bindparam(f"new_{unit}") for unit in COUNTED})
)
EXPIRED = (
    select(budget_holds)
    .where(holds.charged_nano.is_(None), holds.expires_at <= bindparam("now"))
    .order_by(holds.expires_at)
    .with_for_update()
)
OPEN = select(budget_holds).where(holds.charged_nano.is_(None)).order_by(holds.expires_at)
FORFEITED = (
    select(audit_events.c.canonical)
    .where(audit_events.c.kind == "hold_forfeited")
    .order_by(audit_events.c.position.desc())
)


def _upwards() -> Select[Any]:
    """An account and its ancestors, itself first."""
    here = select(*ACCOUNT_COLUMNS, literal_column("0").label("step")).where(accounts.id == bindparam("account_id"))
    line, above = here.cte("line", recursive=True), budget_accounts.alias("above")
    parents = [above.c[column.name] for column in ACCOUNT_COLUMNS]
    line = line.union_all(select(*parents, line.c.step + literal_column("1")).where(above.c.id == line.c.parent_id))
    return select(*(line.c[column.name] for column in ACCOUNT_COLUMNS)).order_by(line.c.step)


LINE = HotStatement(_upwards())


class SqlBudgetStore(SqlStore):
    async def open(self, account: BudgetAccount) -> BudgetAccount:
        checked_id(account.id, "account_id")
        needs = Needs(accounts=(account.id,) if account.parent_id is None else (account.id, account.parent_id))
        return await self.writer.run(lambda batch: _open(batch, account), needs=needs)

    async def get(self, account_id: str) -> BudgetAccount:
        return (await self.line(account_id))[0]

    async def line(self, account_id: str) -> list[BudgetAccount]:
        values = {"account_id": checked_id(account_id, "account_id")}
        rows = await self.peek(lambda connection: LINE.rows(connection, values))
        return [counted(row, account_id).account() for row in rows] or [counted(None, account_id).account()]

    async def accounts(self, *, without: str | None = None) -> list[BudgetAccount]:
        wanted = ALL if not without else ALL.where(func.substr(accounts.id, 1, len(without)) != without)
        rows = await self.read(lambda connection: connection.execute(wanted).all())
        return [counted(row, "").account() for row in rows]

    async def open_holds(self, *, limit: int) -> list[Hold]:
        wanted = OPEN.limit(max(limit, 0))
        return await self.read(lambda connection: list(map(hold_from, connection.execute(wanted))))

    async def forfeits(self, *, limit: int) -> list[Forfeit]:
        wanted = FORFEITED.limit(max(limit, 0))
        return await self.read(lambda connection: [forfeit_from(each) for each in connection.scalars(wanted)])

    async def lift(self, account_id: str, more: BudgetLimits) -> BudgetAccount:
        checked_id(account_id, "account_id")
        return await self.writer.run(lambda batch: _lift(batch, account_id, more))

    async def hold(
        self,
        account_id: str,
        amount: Amount,
        *,
        expires_in_seconds: float,
        fence: Fence | None = None,
        items: Sequence[Item] = (),
    ) -> Hold:
        checked_id(account_id, "account_id")
        expires_at = utc_now() + timedelta(seconds=expires_in_seconds)
        wanted = Hold(account_id=account_id, amount=checked_amount(amount, "amount"), expires_at=expires_at)
        write = staged(items)

        def apply(batch: Batch) -> Hold:
            batch.fences.ensure(fence)
            batch.write(write)
            return batch.ledger.hold(wanted)

        needs = Needs(fence=fence, accounts=(account_id,))
        return await self.writer.run(apply, size=1 + write.size, needs=needs)

    async def settle(
        self, hold_id: str, actual: Amount, *, fence: Fence | None = None, items: Sequence[Item] = ()
    ) -> None:
        checked_id(hold_id, "hold_id")
        actual = checked_amount(actual, "actual")
        write, refusal = _staged(items)

        def apply(batch: Batch) -> None:
            batch.fences.ensure(fence)
            batch.ledger.settle(hold_id, actual)
            batch.write(write)

        await self.writer.run(apply, size=1 + write.size, needs=Needs(fence=fence, hold_id=hold_id))
        if refusal is not None:
            raise refusal

    async def reap(self, now: datetime) -> list[Hold]:
        moment = iso(now, field="now")

        def apply(batch: Batch) -> list[Hold]:
            batch.ledger.flush()
            expired = list(map(hold_from, batch.connection.execute(EXPIRED, {"now": moment})))
            for hold in expired:
                batch.ledger.settle(hold.id, hold.amount)
                batch.append(forfeiture(hold, at=now))
            return expired

        return await self.writer.run(apply)


def _staged(items: Sequence[Item]) -> tuple[Write, InvalidInput | None]:
    """Items that can never be stored must not keep their hold from being settled."""
    try:
        return staged(items), None
    except InvalidInput as error:
        return Write(), error


def _open(batch: Batch, account: BudgetAccount) -> BudgetAccount:
    known = batch.ledger.known(account.id)
    opened = checked_account(account, None if known is None else known.account())
    if known is not None:
        _set_limits(batch, opened)
        return opened
    if opened.parent_id is not None:
        batch.ledger.account(checked_id(opened.parent_id, "parent_id"))
    values = {
        "id": opened.id,
        "parent_id": opened.parent_id,
        **_limits_to(opened, "limit"),
        **counts_to(opened.spent, "spent"),
        **counts_to(opened.held, "held"),
    }
    batch.ledger.open(values)
    return opened


def _lift(batch: Batch, account_id: str, more: BudgetLimits) -> BudgetAccount:
    known = batch.ledger.account(account_id).account()
    account = checked_account(BudgetAccount.of(account_id, lifted(known.limits, more)), known)
    _set_limits(batch, account)
    return account


def _set_limits(batch: Batch, account: BudgetAccount) -> None:
    batch.ledger.flush()
    batch.connection.execute(SET_LIMITS, {"account_id": account.id, **_limits_to(account, "new")})


def _limits_to(account: BudgetAccount, what: str) -> dict[str, int | None]:
    """Columns' names to counts; None: no limit."""
    limits = account.limits
    return {
        f"{what}_nano": None if limits.usd is None else to_nano(limits.usd),
        f"{what}_tokens": limits.tokens,
        f"{what}_microseconds": None if limits.seconds is None else to_micro(limits.seconds),
        f"{what}_microjoules": None if limits.joules is None else to_micro(limits.joules),
    }
