"""Opens all stores over one SQL database."""

from __future__ import annotations

import asyncio

from storage.canonical import checked_id
from storage.records import new_id
from storage.sql.audit import SqlAuditLog
from storage.sql.budgets import SqlBudgetStore
from storage.sql.checkpoints import SqlCheckpointStore
from storage.sql.decisions import SqlDecisionStore
from storage.sql.deliveries import SqlDeliveryStore
from storage.sql.engine import open_database
from storage.sql.jobs import SqlJobStore
from storage.sql.journal import SqlJournal
from storage.sql.keys import SqlKeyStore
from storage.sql.payloads import SqlPayloadStore
from storage.sql.policy_versions import SqlPolicyVersionStore
from storage.sql.skills import SqlSkillStore
from storage.sql.summaries import SqlSummaryStore
from storage.sql.traces import SqlTraceStore
from storage.sql.trails import SqlTrailStore
from storage.sql.upgrade import upgrade
from storage.sql.writer import GroupWriter
from storage.stores import Stores

PATIENCE_SECONDS = 5.0  # how long a write waits for another process's lock before it fails


async def open_sql(
    url: str,
    *,
    mode: str = "sync",
    writer: str | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Stores:
    """All stores over this URL, its tables up to date. Writes nothing to the log: the first write opens the chain.

    In `grouped` mode SQLite forgoes the disk flush of each commit, so a power cut may lose the last ones.
    """
    is_grouped = mode == "grouped"
    name = checked_id(writer or new_id("writer"), "writer")
    database = open_database(url, is_durable=not is_grouped, patience_seconds=patience_seconds)
    try:
        await asyncio.to_thread(upgrade, database)
    except BaseException:
        database.dispose()
        raise
    group_writer = GroupWriter(database, writer=name)

    async def close() -> None:
        try:
            await group_writer.close()
        finally:
            await asyncio.to_thread(database.dispose)

    return Stores(
        url=database.url,
        journal=SqlJournal(database, group_writer, is_grouped=is_grouped),
        decisions=SqlDecisionStore(database, group_writer),
        traces=SqlTraceStore(database, group_writer),
        payloads=SqlPayloadStore(database, group_writer),
        budgets=SqlBudgetStore(database, group_writer),
        audit=SqlAuditLog(database, group_writer),
        policy_versions=SqlPolicyVersionStore(database, group_writer),
        skills=SqlSkillStore(database, group_writer),
        trails=SqlTrailStore(database, group_writer),
        jobs=SqlJobStore(database, group_writer),
        keys=SqlKeyStore(database, group_writer),
        deliveries=SqlDeliveryStore(database, group_writer),
        checkpoints=SqlCheckpointStore(database, group_writer),
        summaries=SqlSummaryStore(database, group_writer),
        close=close,
    )
