"""Where the states of jobs under way are saved between their steps: LangGraph's own savers, opened when first needed.

A thread belongs to one claim of a job (job id and fence), so that what a stale worker still saves counts for nothing:
the next claim goes on from a copy. It is a shortcut only; which steps have answered is in the log. So SQLite need not
flush each state to the disk, and it has a file of its own, beside the store's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.graph import SavedThread
from storage.errors import InvalidInput, StorageError, StorageUnavailable

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver

FILE_SUFFIX = ".checkpoints"
PATIENCE_SECONDS = 5.0  # how long one waits for a connection
POSTGRES_CONNECTIONS = 4
SETUP_LOCK = 7_236_110_542_901_183_745  # any number that no other program takes: one process makes the tables
MOST_LOOKED_AT = 10_000  # states, when those of jobs that have ended are looked for


class Checkpoints:
    """Saved states by job and fence."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._saver: BaseCheckpointSaver[Any] | None = None
        self._errors: tuple[type[Exception], ...] = ()
        self._recover: Recover = _nothing
        self._opened = AsyncExitStack()
        self._opening = asyncio.Lock()  # the first steps of two jobs must not open two savers

    async def thread(self, job_id: str, fence: int) -> SavedThread:
        """This claim's thread, which begins with the last state of the claims before. Raises StorageUnavailable."""
        async with self.saver() as saver:
            own = {"thread_id": thread_id(job_id, fence), "checkpoint_ns": ""}
            for earlier in range(fence - 1, 0, -1):
                saved = await saver.aget_tuple({"configurable": {"thread_id": thread_id(job_id, earlier)}})
                if saved is None:
                    continue
                versions = saved.checkpoint["channel_versions"]
                config = await saver.aput({"configurable": own}, saved.checkpoint, saved.metadata, versions)
                # Of steps whose neighbours still ran; a saver numbers the writes of one call, so a task's go together.
                for task_id, writes in _by_task(saved.pending_writes or ()).items():
                    await saver.aput_writes(config, writes, task_id)
                return SavedThread(saver=saver, id=own["thread_id"], has_begun=True)
            return SavedThread(saver=saver, id=own["thread_id"], has_begun=False)

    async def prune(self, job_id: str, fence: int) -> None:
        """Forgets all claims of the job up to this one. Raises StorageUnavailable."""
        async with self.saver() as saver:
            for each in range(1, fence + 1):
                await saver.adelete_thread(thread_id(job_id, each))

    async def jobs(self) -> dict[str, int]:
        """Jobs with saved states, each with its highest fence. Raises StorageUnavailable."""
        if self._saver is None and not _may_hold_any(self.url):
            return {}
        async with self.saver() as saver:
            found: dict[str, int] = {}
            async for saved in saver.alist(None, limit=MOST_LOOKED_AT):
                job_id, _, fence = saved.config["configurable"]["thread_id"].rpartition("/")
                found[job_id] = max(found.get(job_id, 0), int(fence))
            return found

    @asynccontextmanager
    async def saver(self) -> AsyncGenerator[BaseCheckpointSaver[Any], None]:
        """The open saver; its errors come out as StorageUnavailable."""
        async with self._opening:
            if self._saver is None:
                async with AsyncExitStack() as opening:  # an opening that fails leaves nothing open behind it
                    self._saver, self._errors, self._recover = await _opener(self.url)(self.url, opening)
                    self._opened.push_async_callback(opening.pop_all().aclose)
        async with self.translated():
            yield self._saver

    @asynccontextmanager
    async def translated(self) -> AsyncGenerator[None, None]:
        """The saver's errors come out as StorageUnavailable, also where a graph calls the saver of a thread."""
        try:
            yield
        except self._errors as exc:
            await self._recover()
            raise StorageUnavailable(f"A job's state could not be saved or read: {exc}") from exc

    async def close(self) -> None:
        await self._opened.aclose()


def _by_task(pending: Iterable[tuple[str, str, Any]]) -> dict[str, list[tuple[str, Any]]]:
    found: dict[str, list[tuple[str, Any]]] = {}
    for task_id, channel, value in pending:
        found.setdefault(task_id, []).append((channel, value))
    return found


def thread_id(job_id: str, fence: int) -> str:
    return f"{job_id}/{fence}"


Recover = Callable[[], Awaitable[None]]  # after an error
Opened = tuple["BaseCheckpointSaver[Any]", tuple[type[Exception], ...], Recover]


async def _nothing() -> None:
    """A pool gives no broken connection out again."""


def _opener(url: str) -> Callable[[str, AsyncExitStack], Awaitable[Opened]]:
    scheme = url.partition(":")[0].partition("+")[0].lower()
    openers = {"memory": _memory, "sqlite": _sqlite, "postgresql": _postgres, "postgres": _postgres}
    if scheme not in openers:
        raise InvalidInput(f"No store of checkpoints for {scheme!r}; known: {', '.join(openers)}.", field="url")
    return openers[scheme]


async def _memory(url: str, opened: AsyncExitStack) -> Opened:
    from langgraph.checkpoint.memory import InMemorySaver

    return InMemorySaver(serde=_plain()), (), _nothing


def _may_hold_any(url: str) -> bool:
    """Whether a process before this one may have left states there."""
    return not url.startswith("memory") and (not url.startswith("sqlite") or Path(_file(url)).exists())


def _file(url: str) -> str:
    return url.partition(":///")[2].partition("?")[0] + FILE_SUFFIX


async def _sqlite(url: str, opened: AsyncExitStack) -> Opened:
    import sqlite3

    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    path = _file(url)
    try:
        sqlite3.connect(path).close()  # aiosqlite's thread outlives a connection that fails, and complains later
        saver = await opened.enter_async_context(AsyncSqliteSaver.from_conn_string(path))
        saver.serde = _plain()
        await saver.setup()
        await saver.conn.execute("PRAGMA synchronous=NORMAL")
        await saver.conn.execute("PRAGMA secure_delete=ON")  # a text that is forgotten is overwritten
    except sqlite3.Error as exc:
        raise StorageUnavailable(f"{path!r} cannot be opened: {exc}") from exc

    async def recover() -> None:
        """A write that failed leaves its transaction open, and all later ones in it: they would fail, too."""
        async with saver.lock:
            if saver.conn.in_transaction:
                await saver.conn.rollback()

    return saver, (sqlite3.Error,), recover


async def _postgres(url: str, opened: AsyncExitStack) -> Opened:
    try:
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
        from psycopg import AsyncConnection, Error
        from psycopg.rows import dict_row
        from psycopg_pool import AsyncConnectionPool, PoolTimeout
    except ImportError as exc:
        raise StorageError(f"Jobs in PostgreSQL need {exc.name!r}.", hint="pip install 'antroute[postgres]'") from exc
    pool: AsyncConnectionPool[AsyncConnection[dict[str, Any]]] = AsyncConnectionPool(
        f"postgresql://{url.partition('://')[2]}",
        kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
        min_size=1,
        max_size=POSTGRES_CONNECTIONS,
        timeout=PATIENCE_SECONDS,
        check=AsyncConnectionPool.check_connection,
        open=False,
    )
    try:
        await opened.enter_async_context(pool)
        saver = AsyncPostgresSaver(pool, serde=_plain())
        async with pool.connection() as connection:
            await connection.execute("SELECT pg_advisory_lock(%s)", (SETUP_LOCK,))
            try:
                await saver.setup()
            finally:
                await connection.execute("SELECT pg_advisory_unlock(%s)", (SETUP_LOCK,))
    except (Error, PoolTimeout) as exc:
        raise StorageUnavailable(f"The store of jobs' states cannot be opened: {exc}") from exc
    return saver, (Error, PoolTimeout), _nothing


def _plain() -> Any:
    """Writes and reads plain values, and builds no other object out of what is stored."""
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    return JsonPlusSerializer(allowed_msgpack_modules=None, allowed_json_modules=None, pickle_fallback=False)
