"""Short queries to a database server: those that are asked at once share a thread, its connection and a wake-up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from storage.errors import ServiceError

T = TypeVar("T")
Query = Callable[[Connection], Any]


@dataclass(eq=False, slots=True)
class Asked:
    """A query, and who waits for its result."""

    query: Query
    future: asyncio.Future[Any]


class QuickReads:
    """One connection, in autocommit: a query costs one round trip, and nothing else. For queries of microseconds."""

    def __init__(self, engine: Engine, *, patience_seconds: float) -> None:
        self._engine = engine
        self._patience_seconds = patience_seconds
        self._queue: deque[Asked] = deque()
        self._is_busy = False
        self._lock = Lock()  # the thread must not go to sleep while a caller takes it to be awake
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="antroute-reads")
        self._connection: Connection | None = None

    async def ask(self, query: Callable[[Connection], T]) -> T:
        """Raises DBAPIError; TimeoutError when the database did not answer in time; RuntimeError once it is closed."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._queue.append(Asked(query, future))
            if not self._is_busy:
                self._threads.submit(self._work)
                self._is_busy = True
        async with asyncio.timeout(self._patience_seconds):
            return cast("T", await future)

    def close(self) -> None:
        self._threads.shutdown()
        self._drop()

    def _work(self) -> None:
        taken: list[Asked] = []
        try:
            while taken := self._next():
                _answer([(asked.future, self._result(asked)) for asked in taken])
        except Exception as error:  # a query has a programming error: nobody may be left waiting
            with self._lock:
                self._is_busy = False
                left = [*taken, *self._queue]
                self._queue.clear()
            _answer([(asked.future, error) for asked in left])
            raise

    def _next(self) -> list[Asked]:
        with self._lock:
            taken = list(self._queue)
            self._queue.clear()
            self._is_busy = bool(taken)
            return taken

    def _result(self, asked: Asked) -> Any:
        """Or the error. A connection that broke is replaced once."""
        try:
            return self._tried(asked.query)
        except (DBAPIError, ServiceError) as error:
            if not isinstance(error, DBAPIError) or not error.connection_invalidated:
                return error
        self._engine.dispose()  # the others in the pool are as broken
        try:
            return self._tried(asked.query)
        except (DBAPIError, ServiceError) as error:
            return error

    def _tried(self, query: Query) -> Any:
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            found = query(self._connection)
            self._connection.rollback()  # ends what SQLAlchemy takes for a transaction; nothing is sent
        except BaseException as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated and self._connection is not None:
                self._connection.invalidate()  # nothing more is sent over it
            self._drop()
            raise
        return found

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError):  # it may be broken already
                connection.close()


def _answer(answers: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    """One wake-up for each event loop."""
    loop_to_answers: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for future, result in answers:
        loop_to_answers.setdefault(future.get_loop(), []).append((future, result))
    for loop, mine in loop_to_answers.items():
        with suppress(RuntimeError):  # that loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_deliver, mine)


def _deliver(answers: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, result in answers:
        if future.done():  # its caller was cancelled
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
