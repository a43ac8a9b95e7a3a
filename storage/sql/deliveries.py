"""Webhook messages in SQL: each is given to one sender at a time, by a lease that is its next try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, literal_column, select, update

from storage.canonical import checked_id, iso
from storage.errors import RecordNotFound
from storage.job_moves import checked_lease
from storage.sql.batch import Batch
from storage.sql.store import SqlStore
from storage.sql.tables import webhook_deliveries
from storage.webhook_forms import changed, delivery_from, delivery_row, leased, tried_row
from storage.webhook_records import NOBODY, Delivery, DeliveryState, Shares

columns = webhook_deliveries.c
IS_DUE = (columns.state == literal_column("'pending'")) & (columns.next_try_at <= bindparam("now"))
ONE = select(webhook_deliveries).where(columns.id == bindparam("delivery_id"))
DUE = (
    select(webhook_deliveries)
    .where(IS_DUE)
    .order_by(columns.next_try_at, columns.position)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
DUE_OF_OTHERS = DUE.where(columns.tenant.not_in(bindparam("full", expanding=True)))
HAS_DUE = select(columns.position).where(IS_DUE).limit(1)
SAVE = update(webhook_deliveries).where(columns.id == bindparam("delivery_id"))


class SqlDeliveryStore(SqlStore):
    """Writes are never queued with nobody waiting, so that reads need not wait for the writer."""

    async def due(
        self,
        *,
        now: datetime,
        most: int,
        lease_seconds: float,
        share: int | None = None,
        busy: Mapping[str, int] = NOBODY,
    ) -> list[Delivery]:
        """Looks first, so that a sender with nothing to do keeps nobody from writing."""
        values = {"now": iso(now, field="now"), "most": max(most, 0)}
        until = now + checked_lease(lease_seconds)
        if not await self.database.read(lambda connection: connection.execute(HAS_DUE, values).first()):
            return []

        made: list[Delivery] = []

        def apply(batch: Batch) -> list[Delivery]:
            """When a broken connection makes the writer try again, what was leased is not left to its lease."""
            batch.insert()  # messages may stand in this very transaction
            if batch.is_careful and made and _one(batch.connection, made[0].id) == made[0]:
                return made
            made[:] = _taken(batch.connection, iso(now), max(most, 0), until=until, shares=Shares(share, busy))
            return made

        return await self.writer.run(apply)

    async def put(self, delivery: Delivery) -> Delivery:
        delivery_row(delivery)

        def apply(batch: Batch) -> Delivery:
            batch.insert()  # the message may stand in this very transaction
            query = ONE.with_for_update()
            row = batch.connection.execute(query, {"delivery_id": delivery.id}).mappings().one_or_none()
            if row is not None:
                after = changed(delivery_from(row), delivery)
                batch.connection.execute(SAVE, {"delivery_id": delivery.id, **tried_row(after)})
                return after
            placed = replace(delivery, position=batch.next_place(webhook_deliveries))
            batch.connection.execute(insert(webhook_deliveries), delivery_row(placed))
            return placed

        return await self.writer.run(apply)

    async def get(self, delivery_id: str) -> Delivery:
        checked_id(delivery_id, "delivery_id")
        return await self.database.read(lambda connection: _one(connection, delivery_id))

    async def find(
        self,
        *,
        tenant: str | None = None,
        job_id: str | None = None,
        state: DeliveryState | None = None,
        before_position: int | None = None,
        limit: int = 50,
    ) -> list[Delivery]:
        query = select(webhook_deliveries).order_by(columns.position.desc()).limit(max(limit, 0))
        for name, value in (("tenant", tenant), ("job_id", job_id), ("state", state)):
            if value is not None:
                query = query.where(columns[name] == checked_id(value, name))
        if before_position is not None:
            query = query.where(columns.position < before_position)
        rows = await self.database.read(lambda connection: connection.execute(query).mappings().all())
        return [delivery_from(row) for row in rows]


def _taken(connection: Connection, now: str, most: int, *, until: datetime, shares: Shares) -> list[Delivery]:
    """Leased, the ones that wait longest first; looks again for others' where a tenant has its share."""
    taken: list[Delivery] = []
    while len(taken) < most:
        full, wanted = shares.full, most - len(taken)
        values = {"now": now, "most": wanted, **({"full": full} if full else {})}
        rows = connection.execute(DUE_OF_OTHERS if full else DUE, values).mappings().all()
        found = [leased(delivery_from(row), until) for row in rows if shares.take(row["tenant"])]
        if found:
            connection.execute(SAVE, [{"delivery_id": each.id, **tried_row(each)} for each in found])
        taken += found
        if len(rows) < wanted:
            break
    return taken


def _one(connection: Connection, delivery_id: str) -> Delivery:
    row = connection.execute(ONE, {"delivery_id": delivery_id}).mappings().one_or_none()
    if row is None:
        raise RecordNotFound(f"No webhook delivery {delivery_id!r}.")
    return delivery_from(row)
