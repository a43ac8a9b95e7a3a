"""What every SQL store stands on: reads that see all acknowledged writes, writes through the one thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from storage.sql.engine import Database
from storage.sql.writer import GroupWriter

T = TypeVar("T")


@dataclass(frozen=True)
class SqlStore:
    """A database and the writer of this process."""

    database: Database
    writer: GroupWriter

    async def read(self, query: Callable[[Connection], T]) -> T:
        """The query's result; what is queued is committed first."""
        if self.writer.has_unwaited:
            await self.writer.drain()
        return await self.database.read(query)
