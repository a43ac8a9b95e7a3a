"""A database as the stores see it: one engine for the writer thread, one for reads, and its errors in our words."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import NullPool

from storage.errors import InvalidInput, LogCorrupt, StorageError, StorageUnavailable
from storage.sql.quick_reads import QuickReads

READ_CONNECTIONS = 4  # on a server one of them is for quick reads
LOCK_POLL_SECONDS = 0.02
CHECKPOINT_PAGES = 4000  # 16 MB of the write-ahead log: pages that change again and again are copied less often
APPEND_LOCK = 7_236_110_542_901_183_744  # any number that no other program takes: one appends at a time

# What a driver's message contains, to what happened and what helps.
UNAVAILABLE = (
    ("locked", "is locked by another process", "Stop the process that holds it, or use PostgreSQL for many writers."),
    ("lock timeout", "is locked by another process", "Stop the session that holds the lock."),
    ("readonly", "is read-only", "Make the file and its folder writable for this user."),
    ("read-only", "is read-only", "Connect to the primary server, with a user who may write."),
    ("is full", "has no room left", "Free some disk space."),
    ("no space left", "has no room left", "Free some disk space on the server."),
    ("unable to open", "cannot be opened", "Create its folder, and let this user read and write it."),
    ("not a database", "is not an SQLite database", "Name another file."),
    ("password", "refused the login", "Check user and password in the URL."),
    ("does not exist", "does not exist", "Create it, or check the URL."),
    ("refused", "cannot be reached", "Start the server, or check host and port in the URL."),
)
CORRUPT = ("malformed", "disk image", "could not decode")

T = TypeVar("T")


class Busy(Exception):
    """Somebody else is asking."""


class Peeking:
    """One connection that waits for nobody, kept open; only for statements that leave no transaction behind."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._lock = Lock()  # two event loops must not use the connection at once

    def ask(self, query: Callable[[Connection], T]) -> T:
        """Raises DBAPIError, after which the connection is a new one, and Busy."""
        if not self._lock.acquire(blocking=False):
            raise Busy
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            return query(self._connection)
        except DBAPIError:
            self._drop()
            raise
        finally:
            self._lock.release()

    def close(self) -> None:
        with self._lock:
            self._drop()
            self._engine.dispose()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


@dataclass(frozen=True)
class Database:
    """Where the tables are. `name` is what messages call it; it holds no password."""

    name: str
    url: str
    is_sqlite: bool
    writing: Engine
    reading: Engine
    patience_seconds: float
    peeking: Peeking | None = None  # None: the database is not in this process
    quick: QuickReads | None = None  # None: it is

    async def peek(self, query: Callable[[Connection], T]) -> T:
        """The result of a query of microseconds: without a thread where the database is a file, else in company.

        Raises StorageError.
        """
        if self.quick is not None:
            return await self._asked(self.quick, query)
        if self.peeking is None:
            return await self.read(query)
        try:
            return self.peeking.ask(query)
        except (DBAPIError, Busy):  # locked, perhaps: a thread waits, and says what is wrong
            return await self.read(query)

    async def read(self, query: Callable[[Connection], T]) -> T:
        """The query's result, from a pooled connection in a thread; raises StorageError."""
        return await asyncio.to_thread(self.read_now, query)

    def read_now(self, query: Callable[[Connection], T]) -> T:
        """A connection that broke while nobody looked is replaced once: that is cheaper than to ask each before."""
        try:
            try:
                return self._read(query)
            except DBAPIError as exc:
                if not exc.connection_invalidated:
                    raise
                self.reading.dispose()
                return self._read(query)
        except DBAPIError as exc:
            raise self.error(exc) from exc
        except PoolTimeout as exc:
            raise StorageUnavailable(f"Database {self.name!r} answers too slowly: every connection is busy.") from exc

    def _read(self, query: Callable[[Connection], T]) -> T:
        with self.reading.connect() as connection:
            return query(connection)

    async def _asked(self, quick: QuickReads, query: Callable[[Connection], T]) -> T:
        try:
            return await quick.ask(query)
        except DBAPIError as exc:
            raise self.error(exc) from exc
        except TimeoutError as exc:
            raise StorageUnavailable(f"Database {self.name!r} answers too slowly.") from exc

    def error(self, exc: DBAPIError) -> StorageError:
        """The driver's error in our words."""
        said = str(exc.orig).strip().splitlines()[0] if str(exc.orig).strip() else type(exc.orig).__name__
        lowered = said.lower()
        if any(word in lowered for word in CORRUPT):
            return LogCorrupt(f"Database {self.name!r} is damaged: {said}.", hint="Restore it from a backup.")
        for word, what, fix in UNAVAILABLE:
            if word in lowered:
                return StorageUnavailable(f"Database {self.name!r} {what} ({said}). {fix}", hint=fix)
        return StorageUnavailable(f"Database {self.name!r} failed: {said}.")

    def dispose(self) -> None:
        if self.peeking is not None:
            self.peeking.close()
        if self.quick is not None:
            self.quick.close()
        self.writing.dispose()
        self.reading.dispose()


def open_database(url: str, *, is_durable: bool, patience_seconds: float) -> Database:
    """The engines for this URL; connects nothing yet. `patience_seconds`: how long to wait for another's lock."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(parsed, is_durable=is_durable, patience_seconds=patience_seconds)
        return _postgresql(parsed, patience_seconds=patience_seconds)
    except (ArgumentError, NoSuchModuleError) as exc:
        raise InvalidInput(
            "The store's URL cannot be read; give sqlite:///file.db or postgresql://….", field="url"
        ) from exc
    except ImportError as exc:
        raise StorageError(f"PostgreSQL needs {exc.name!r}.", hint="pip install 'antroute[postgres]'") from exc


def _sqlite(url: URL, *, is_durable: bool, patience_seconds: float) -> Database:
    if url.database in (None, "", ":memory:"):
        raise InvalidInput("An SQLite URL needs a file, as in sqlite:///antroute.db; or use memory:.", field="url")
    arguments = {"timeout": patience_seconds}
    writing = create_engine(url, connect_args=arguments, pool_size=1, max_overflow=0)
    reading = create_engine(url, connect_args=arguments, pool_size=READ_CONNECTIONS, pool_timeout=patience_seconds)
    peeking = create_engine(url, connect_args={"timeout": 0.0, "check_same_thread": False}, poolclass=NullPool)

    @event.listens_for(writing, "connect")
    def prepare_writing(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        _ensure_wal(connection, patience_seconds)
        connection.execute(f"PRAGMA synchronous={'FULL' if is_durable else 'NORMAL'}")
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA secure_delete=ON")  # an erased text is overwritten with zeros

    @event.listens_for(writing, "begin")
    def begin_writing(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(peeking, "connect")
    @event.listens_for(reading, "connect")
    def prepare_reading(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA query_only=ON")

    @event.listens_for(reading, "begin")
    def begin_reading(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return Database(
        name=str(url.database),
        url=url.render_as_string(),
        is_sqlite=True,
        writing=writing,
        reading=reading,
        patience_seconds=patience_seconds,
        peeking=Peeking(peeking),
    )


def _ensure_wal(connection: sqlite3.Connection, patience_seconds: float) -> None:
    """Readers go on while one writes. Two first openings collide here at once, without waiting: so try again."""
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as exc:
            if "locked" not in str(exc) or time.monotonic() > deadline:
                raise
            time.sleep(LOCK_POLL_SECONDS)


def _postgresql(url: URL, *, patience_seconds: float) -> Database:
    url = url.set(drivername="postgresql+psycopg")
    arguments: dict[str, Any] = {"connect_timeout": max(2, round(patience_seconds))}
    # Autocommit: a query is a transaction by itself, with neither a BEGIN nor a ROLLBACK sent; writers say BEGIN.
    by_itself: dict[str, Any] = {"connect_args": arguments, "isolation_level": "AUTOCOMMIT"}
    writing = create_engine(url, pool_size=1, max_overflow=0, **by_itself)
    reading = create_engine(url, pool_size=READ_CONNECTIONS, pool_timeout=patience_seconds, **by_itself)
    begin = f"BEGIN; SET LOCAL lock_timeout = {round(patience_seconds * 1000)}"
    lock = f"SELECT pg_advisory_xact_lock({APPEND_LOCK})"

    @event.listens_for(writing, "begin")
    def begin_writing(connection: Connection) -> None:
        """Waits until no other process writes, until the transaction ends; in one round trip.

        So positions are dense and in commit order, and two writers can never wait for each other in a circle.
        """
        connection.exec_driver_sql(f"{begin}; {lock}")

    shown = url.set(username=None, password=None, query={})
    return Database(
        name=shown.render_as_string().removeprefix("postgresql+psycopg://"),
        url=url.render_as_string(hide_password=True),
        is_sqlite=False,
        writing=writing,
        reading=reading,
        patience_seconds=patience_seconds,
        quick=QuickReads(reading, patience_seconds=patience_seconds),
    )
