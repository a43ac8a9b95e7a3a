"""Refuses, inside the transaction that would write, who works for a job that another worker has by now."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, literal_column, select

from storage.job_moves import lease_lost
from storage.job_records import Fence
from storage.sql.tables import jobs

RUNNING = jobs.c.state == literal_column("'running'")
# The row stays as it is until the transaction ends (a no-op on SQLite, where one transaction writes at a time).
GOOD = (
    select(jobs.c.position)
    .where(jobs.c.id == bindparam("job_id"), jobs.c.fence == bindparam("number"), RUNNING)
    .with_for_update(read=True)
)


def ensure_fence(connection: Connection, fence: Fence | None) -> None:
    """Raises LeaseLost; None: nobody writes for a job."""
    if fence is None:
        return
    values = {"job_id": fence.job_id, "number": fence.number}
    if connection.execute(GOOD, values).first() is None:
        raise lease_lost(fence)
