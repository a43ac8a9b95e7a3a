"""What every SQL store stands on: reads that see all acknowledged writes, writes through the one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from storage.sql.engine import Database
from storage.sql.writer import GroupWriter

T = TypeVar("T")
VALUES_A_QUERY = 900  # fewer than any database's limit on parameters


def chunks(values: Sequence[T]) -> Iterator[list[T]]:
    """As many at a time as a query may list."""
    for start in range(0, len(values), VALUES_A_QUERY):
        yield list(values[start : start + VALUES_A_QUERY])


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

    async def peek(self, query: Callable[[Connection], T]) -> T:
        """As `read`, for a query of microseconds: where the database is a file no thread is asked."""
        if self.writer.has_unwaited:
            await self.writer.drain()
        return await self.database.peek(query)
