"""The one thread through which a process writes: callers share its commits, and its failures stay bounded.

It does not know what is written: an operation is a function over a batch.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Any, TypeVar, cast

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError

from storage.chain import Head
from storage.errors import ServiceError, StorageError, StorageUnavailable
from storage.sql.batch import NO_NEEDS, Batch, Known, Needs
from storage.sql.engine import Database
from storage.sql.lookups import own_head

GROUP_SECONDS = 0.010  # how long a queued write waits for company
GROUP_ITEMS = 400  # or until so many items are there
MAX_QUEUED_ITEMS = 20_000  # beyond that, callers wait
TRIES = 3  # of one batch, when the connection broke or the database chose us as a deadlock's victim
RETRY_SECONDS = 0.5  # between tries of queued items while the database is away

RETRY_STATES = ("40001", "40P01")  # PostgreSQL: serialization failure, deadlock
ITEMS_FAULT = (IntegrityError, DataError, ProgrammingError, NotSupportedError)  # not the database's state

T = TypeVar("T")

log = logging.getLogger("antroute.storage")


@dataclass(eq=False, slots=True)
class Operation:
    """What one caller wants done; `future` is None when nobody waits: then `on_refused` names the items."""

    apply: Callable[[Batch], Any]
    size: int
    future: asyncio.Future[Any] | None
    queued_at: float
    on_refused: Callable[[], Sequence[str]] | None = None
    needs: Needs = NO_NEEDS


@dataclass(frozen=True, slots=True)
class Result:
    """What an operation came to."""

    value: Any = None
    error: ServiceError | None = None


class GroupWriter:
    """Runs operations in order, many in one transaction; each alone succeeds or fails."""

    def __init__(self, database: Database, *, writer: str) -> None:
        self.database = database
        self.writer = writer
        self.known = Known()
        self._head: Head | None = None
        self._connection: Connection | None = None
        self._queue: deque[Operation] = deque()
        self._queued_items = 0
        self._unwaited = 0  # operations that nobody waits for, queued or being committed
        self._room: list[asyncio.Future[None]] = []
        self._condition = Condition()
        self._trouble: StorageError | None = None
        self._retry_at = 0.0
        self._is_in_doubt = False  # the last commit failed: what it held may be there or not
        self._refused = 0  # operations that nobody waited for, since somebody was told
        self._first_refused: tuple[str, ServiceError] | None = None
        self._is_closing = False
        self._thread = Thread(target=self._run, name=f"antroute-{writer}", daemon=True)
        self._thread.start()

    @property
    def has_unwaited(self) -> bool:
        """Whether something was acknowledged that is not committed yet."""
        return self._unwaited > 0

    async def run(self, apply: Callable[[Batch], T], *, size: int = 1, needs: Needs = NO_NEEDS) -> T:
        """The operation's result, after its commit. A caller that is cancelled does not stop it."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._put(Operation(apply, size, future, time.monotonic(), needs=needs))
        return cast("T", await future)

    async def enqueue(
        self, apply: Callable[[Batch], None], *, size: int, on_refused: Callable[[], Sequence[str]]
    ) -> None:
        """Returns once the operation is queued; waits while the queue is full.

        `on_refused` is called when it cannot be stored, and answers with the ids of its items.
        Raises StorageUnavailable, and queues nothing, while the database takes nothing.
        """
        self.raise_trouble()
        while self._queued_items >= MAX_QUEUED_ITEMS:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._room.append(future)
            await future
            self.raise_trouble()
        self._put(Operation(apply, size, None, time.monotonic(), on_refused))

    async def drain(self) -> None:
        """Returns when everything queued so far is committed or refused; raises StorageUnavailable."""
        if self._queue or self._unwaited:
            await self.run(lambda batch: None, size=0)
        self.raise_trouble()

    async def flush(self) -> None:
        """Drains; then raises StorageError, once, if queued writes were refused since the last time."""
        await self.drain()
        self.raise_refused()

    def raise_refused(self) -> None:
        """Tells, once, of the writes that were refused with nobody waiting: by ids alone, for texts are private."""
        with self._condition:
            count, first = self._refused, self._first_refused
            self._refused, self._first_refused = 0, None
        if first is not None:
            ids, error = first
            raise StorageError(
                f"{count} queued writes were refused and are not stored, the first: {ids} ({error.code})."
            ) from error

    def raise_trouble(self) -> None:
        """Raises what keeps queued writes from being committed."""
        trouble = self._trouble
        if trouble is not None:
            raise type(trouble)(
                f"{trouble} {self._unwaited} earlier writes are kept and tried again.", hint=trouble.hint
            )

    async def close(self) -> None:
        """Commits what is queued and ends the thread.

        Raises StorageUnavailable, counting what was lost, if it cannot; StorageError for writes that were refused.
        """
        if not self._thread.is_alive():
            return
        error: StorageError | None = None
        try:
            await self.drain()
        except StorageError as exc:
            error = exc
        with self._condition:
            self._is_closing = True
            lost = self._unwaited
            self._condition.notify()
        await asyncio.to_thread(self._thread.join)
        if error is not None:
            raise type(error)(f"{error} {lost} writes were lost on closing.") from error
        self.raise_refused()

    def _put(self, operation: Operation) -> None:
        with self._condition:
            if self._is_closing or not self._thread.is_alive():
                raise self._closed()
            was_empty = not self._queue
            self._queue.append(operation)
            self._queued_items += operation.size
            self._unwaited += operation.future is None
            if was_empty or operation.future is not None or self._queued_items >= GROUP_ITEMS:
                self._condition.notify()

    def _run(self) -> None:
        batch: list[Operation] = []
        try:
            while batch := self._next():
                self._commit(batch)
        finally:  # also when a programming error ends the thread: nobody may be left waiting
            with self._condition:
                self._is_closing = True
                left = [*batch, *self._queue]
                self._queue.clear()
            self._answer((operation, Result(error=self._closed())) for operation in left)
            self._drop_connection()

    def _next(self) -> list[Operation]:
        """The operations of the next transaction; empty: it is time to end."""
        with self._condition:
            while not self._is_due():
                if self._is_closing:
                    return []
                self._condition.wait(self._patience())
            if self._is_closing and self._trouble is not None:
                return []
            taken: list[Operation] = []
            items = 0
            while self._queue and items < GROUP_ITEMS:
                operation = self._queue.popleft()
                taken.append(operation)
                items += operation.size
            self._queued_items -= items
            return taken

    def _is_due(self) -> bool:
        if not self._queue:
            return False
        if self._is_closing or self._unwaited < len(self._queue):
            return True  # somebody waits
        if self._trouble is None and self._queued_items >= GROUP_ITEMS:
            return True
        return self._patience() == 0

    def _patience(self) -> float | None:
        """Seconds until the queue is due by itself; None: it is empty."""
        if not self._queue:
            return None
        due_at = self._queue[0].queued_at + GROUP_SECONDS if self._trouble is None else self._retry_at
        return max(0.0, due_at - time.monotonic())

    def _commit(self, operations: Sequence[Operation]) -> None:
        """Commits them together; if one of them cannot be stored, each alone."""
        failure: DBAPIError | None = None
        for _ in range(TRIES):
            was_in_doubt = self._is_in_doubt
            try:
                results = self._transact(operations)
            except DBAPIError as exc:
                failure = exc
                self._drop_connection()
                self._is_in_doubt = True
                if isinstance(exc, ITEMS_FAULT) and len(operations) > 1:
                    for operation in operations:
                        self._commit([operation])
                    return
                if was_in_doubt or not _may_pass(exc):
                    break
            else:
                self._is_in_doubt = False
                self._trouble = None
                self._finish(operations, results)
                return
        if failure is not None:
            self._give_up(operations, failure)

    def _give_up(self, operations: Sequence[Operation], failure: DBAPIError) -> None:
        if isinstance(failure, ITEMS_FAULT):
            refused = StorageError(f"Database {self.database.name!r} refused the write: {failure.orig}.")
            self._finish(operations, [Result(error=refused)])
        else:
            self._fail(operations, self.database.error(failure))

    def _transact(self, operations: Sequence[Operation]) -> list[Result]:
        if self._connection is None:
            self._connection = self.database.writing.connect()
        with self._connection.begin():
            batch = Batch(
                self._connection,
                writer=self.writer,
                head=self._head or own_head(self._connection, self.writer),
                known=self.known,
                is_careful=self._is_in_doubt,
            )
            if not self.database.is_sqlite and not self._is_in_doubt:
                batch.look_ahead(operation.needs for operation in operations)
            results = [_applied(operation, batch) for operation in operations]
            batch.insert()
        self._head = batch.head
        self.known.add(batch.new_decisions, batch.new_digests)
        return results

    def _finish(self, operations: Sequence[Operation], results: Sequence[Result]) -> None:
        """Tells who waits; remembers what was refused with nobody waiting."""
        unwaited = 0
        for operation, result in zip(operations, results, strict=True):
            unwaited += operation.future is None
            if operation.future is None and result.error is not None:
                self._remember_refused(operation, result.error)
        with self._condition:
            self._unwaited -= unwaited
        self._answer(zip(operations, results, strict=True))

    def _remember_refused(self, operation: Operation, error: ServiceError) -> None:
        ids = ", ".join(operation.on_refused()) if operation.on_refused is not None else ""
        with self._condition:
            self._refused += 1
            self._first_refused = self._first_refused or (ids, error)
            count = self._refused
        log.error("A queued write was refused and is not stored (%s): %s; %d not told yet", error.code, ids, count)

    def _fail(self, operations: Sequence[Operation], error: StorageError) -> None:
        """Tells all who wait; keeps the rest for the next try."""
        with self._condition:
            kept = [operation for operation in operations if operation.future is None]
            waiting = [operation for operation in (*operations, *self._queue) if operation.future is not None]
            self._queue = deque([*kept, *(operation for operation in self._queue if operation.future is None)])
            self._queued_items = sum(operation.size for operation in self._queue)
            self._trouble = error if self._queue else None
            self._retry_at = time.monotonic() + RETRY_SECONDS
        self._answer((operation, Result(error=type(error)(str(error), hint=error.hint))) for operation in waiting)

    def _answer(self, answers: Iterable[tuple[Operation, Result]]) -> None:
        """Hands results to their event loops, one wake-up each; and wakes who waits for room in the queue."""
        loop_to_answers: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Result]]] = {}
        for operation, result in answers:
            if operation.future is not None:
                loop_to_answers.setdefault(operation.future.get_loop(), []).append((operation.future, result))
        room, self._room = self._room, []
        for future in room:
            loop_to_answers.setdefault(future.get_loop(), []).append((future, Result()))
        for loop, mine in loop_to_answers.items():
            with suppress(RuntimeError):  # that loop was closed: nobody waits any more
                loop.call_soon_threadsafe(_deliver, mine)

    def _closed(self) -> StorageUnavailable:
        return StorageUnavailable(f"The store {self.database.name!r} is closed; open it again.")

    def _drop_connection(self) -> None:
        self._head = None
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError):  # it may be broken already
                connection.close()


def _applied(operation: Operation, batch: Batch) -> Result:
    try:
        return Result(value=operation.apply(batch))
    except ServiceError as exc:  # its caller's business alone: handed over, the batch goes on
        return Result(error=exc)


def _deliver(answers: Sequence[tuple[asyncio.Future[Any], Result]]) -> None:
    for future, result in answers:
        if future.done():  # its caller was cancelled
            continue
        if result.error is not None:
            future.set_exception(result.error)
        else:
            future.set_result(result.value)


def _may_pass(exc: DBAPIError) -> bool:
    """Whether another try at once may work: the connection broke, or a deadlock was resolved at our cost."""
    state = getattr(exc.orig, "sqlstate", None)
    return isinstance(exc, IntegrityError) or exc.connection_invalidated or state in RETRY_STATES
