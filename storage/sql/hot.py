"""The few statements that every run needs: compiled once for a database, and handed to its driver as they are.

SQLAlchemy's own way to the driver takes some five times what SQLite needs for one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Table, insert
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

Values = Mapping[str, Any]
Row = tuple[Any, ...]
Bind = Callable[[Values], Any]  # values by name to what the driver takes


class HotStatement:
    """A statement with named parameters. `columns`: of an INSERT. All methods raise DBAPIError, as SQLAlchemy would."""

    def __init__(self, statement: ClauseElement, *, columns: Sequence[str] | None = None) -> None:
        self._statement = statement
        self._columns = columns
        self._dialect_to_sql: dict[str, tuple[str, Bind]] = {}

    def rows(self, connection: Connection, values: Values) -> list[Row]:
        """All rows, as plain tuples."""
        sql, bind = self._compiled(connection)
        with _cursor(connection, sql) as cursor:
            cursor.execute(sql, bind(values))
            return list(cursor.fetchall())

    def first(self, connection: Connection, values: Values) -> Row | None:
        """None: there is no row."""
        found = self.rows(connection, values)
        return found[0] if found else None

    def each(self, connection: Connection, many: Sequence[Values]) -> None:
        """Runs it once for each of the values."""
        if not many:
            return
        sql, bind = self._compiled(connection)
        with _cursor(connection, sql) as cursor:
            if len(many) == 1:
                cursor.execute(sql, bind(many[0]))
            else:
                cursor.executemany(sql, [bind(values) for values in many])

    def _compiled(self, connection: Connection) -> tuple[str, Bind]:
        found = self._dialect_to_sql.get(connection.dialect.name)
        if found is None:
            compiled = self._statement.compile(dialect=connection.dialect, column_keys=self._columns)
            if not isinstance(compiled, SQLCompiler):
                raise TypeError(f"{self._statement} is no SQL statement.")
            found = str(compiled), _binding(compiled.positiontup)
            self._dialect_to_sql[connection.dialect.name] = found
        return found


def hot_insert(table: Table) -> HotStatement:
    """Of rows that hold every column but those that the database counts."""
    return HotStatement(insert(table), columns=[each.name for each in table.columns if each.autoincrement is not True])


def _binding(names: Sequence[str] | None) -> Bind:
    """None: the driver knows names."""
    if names is None:
        return dict
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple(values[name] for name in names)


@contextmanager
def _cursor(connection: Connection, sql: str) -> Iterator[DBAPICursor]:
    """The driver's, whose errors become SQLAlchemy's."""
    dialect = connection.dialect
    driver_error: type[Exception] = dialect.loaded_dbapi.Error
    cursor = connection.connection.cursor()
    try:
        yield cursor
    except driver_error as exc:
        is_lost = dialect.is_disconnect(exc, connection.connection, cursor)  # type: ignore[arg-type]  # of that driver
        raise DBAPIError.instance(
            sql, None, exc, driver_error, hide_parameters=True, connection_invalidated=is_lost, dialect=dialect
        ) from exc
    finally:
        cursor.close()
