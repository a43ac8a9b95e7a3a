"""Settles and records what was done, now or once the database takes it, and teaches the policies after that."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from orchestrator.fencing import current_fence
from storage.errors import ServiceError, StorageUnavailable
from storage.job_records import Fence
from storage.records import Amount, Decision, Hold, Outcome, Reward, utc_now
from storage.stores import Item, Stores

RETRY_SECONDS = 2.0
REAP_SECONDS = 60.0
MOST_PENDING = 10_000  # executions whose record waits for the database; above it new ones are refused

log = logging.getLogger("antroute.recorder")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The end of one execution: what to settle, what to write, and what there is to learn from it."""

    hold_id: str | None = None
    spent: Amount = Amount()
    items: tuple[Item, ...] = ()
    decision: Decision | None = None
    reward: Reward | None = None
    fence: Fence | None = field(default_factory=current_fence.get)  # of the job that it was done for


class Recorder:
    """Nothing that was done is lost while the process lives: an entry that fails is tried again until it is in."""

    def __init__(
        self,
        stores: Stores,
        *,
        learn: Callable[[Decision, Reward], None],
        retry_seconds: float = RETRY_SECONDS,
        reap_seconds: float = REAP_SECONDS,
    ) -> None:
        self.stores = stores
        self.learn = learn
        self.retry_seconds = retry_seconds
        self.reap_seconds = reap_seconds
        self.pending: deque[Entry] = deque()
        self.has_pending = asyncio.Event()
        self.listeners: list[Callable[[Entry], None]] = []  # hear of each entry once it is written
        self.tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        for work in (self._retry(), self._reap()):
            task = asyncio.create_task(work)
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def record(self, entry: Entry) -> None:
        """Raises StorageUnavailable when it must wait; the entry is then kept and written later."""
        try:
            await self._write(entry)
        except StorageUnavailable as error:
            self.pending.append(entry)
            self.has_pending.set()
            raise StorageUnavailable(
                f"What was done could not be recorded yet: {error}",
                hint="Free the database; the record is kept in memory and written as soon as it can be.",
            ) from error

    def require_room(self) -> None:
        """Raises StorageUnavailable when so many records wait that no new work should begin."""
        if len(self.pending) >= MOST_PENDING:
            raise StorageUnavailable(f"{len(self.pending)} records wait for the database; no new work is taken.")

    async def stop(self) -> None:
        """One last try; what cannot be written even now is counted in the log."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        try:
            await self._drain()
        except StorageUnavailable as error:
            log.critical("%d records could not be written before the end: %s", len(self.pending), error)

    async def _write(self, entry: Entry) -> None:
        if entry.hold_id is None:
            await self.stores.journal.write(*entry.items, fence=entry.fence)
        else:
            await self.stores.budgets.settle(entry.hold_id, entry.spent, fence=entry.fence, items=entry.items)
        if entry.decision is not None and entry.reward is not None:  # after the caller has been answered
            asyncio.get_running_loop().call_soon(self.learn, entry.decision, entry.reward)
        for listener in self.listeners:
            asyncio.get_running_loop().call_soon(listener, entry)

    async def _drain(self) -> None:
        """Writes what waits, oldest first; what the store refuses for good must not hold up the rest."""
        while self.pending:
            try:
                await self._write(self.pending[0])
            except StorageUnavailable:
                raise
            except ServiceError as error:
                lost = ", ".join(_name(item) for item in self.pending[0].items)  # ids alone: texts are private
                log.critical("A record was refused and is lost (%s): %s", error, lost)
            self.pending.popleft()
        self.has_pending.clear()

    async def _retry(self) -> None:
        while True:
            await self.has_pending.wait()
            await asyncio.sleep(self.retry_seconds)
            try:
                await self._drain()
            except StorageUnavailable as error:
                log.warning("%d records wait for the database: %s", len(self.pending), error)

    async def _reap(self) -> None:
        while True:
            try:
                self._tell(await self.stores.budgets.reap(utc_now()))
            except ServiceError as error:  # whatever it is, the next look must come
                log.warning("Holds past their time could not be looked for: %s", error)
            await asyncio.sleep(self.reap_seconds)

    @staticmethod
    def _tell(reaped: Sequence[Hold]) -> None:
        for hold in reaped:
            log.warning("Hold %s of $%s ran out unsettled and counts as spent", hold.id, hold.amount.usd)


def _name(item: Item) -> str:
    return f"{item.id} of {item.decision_id}" if isinstance(item, Outcome | Reward) else item.id
