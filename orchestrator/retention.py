"""Erases texts that are older than they may be: in the background, slice by slice along the log, off all requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from orchestrator.erasure import LOOKED_AT, ErasureWish, erase, slice_of
from storage.canonical import iso
from storage.errors import ServiceError
from storage.records import AuditEvent, utc_now
from storage.stores import Stores

log = logging.getLogger("antroute.retention")

FIRST_SECONDS = 10.0  # after the start: a command that ends soon does not begin to sweep
SWEEP_SECONDS = 3600.0
SLICE_EVENTS = 200  # of the log, so that no request waits for long while they are read
PAUSE_SECONDS = 0.2  # between slices


class Retention:
    """Goes along the log as far as texts are old enough, once an hour; where it stands it keeps in RAM.

    After a start it looks at the whole log again, which erases nothing twice. Texts of a job that has not ended are
    looked at again in each sweep.
    """

    def __init__(
        self,
        stores: Stores,
        *,
        payload_days: float | None,
        now: Callable[[], datetime] = utc_now,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        """`payload_days`: None keeps all texts."""
        self._stores = stores
        self._payload_days = payload_days
        self._now = now
        self._pause_seconds = pause_seconds
        self._position = 0
        self._unfinished: dict[str, AuditEvent] = {}  # submissions of jobs that still needed their texts
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._payload_days is not None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def sweep(self) -> int:
        """Erases what is too old by now; how many texts."""
        if self._payload_days is None:
            return 0
        moment = self._now() - timedelta(days=self._payload_days)
        wish = ErasureWish(before=moment)
        count = await self._again(wish)
        while events := await self._stores.audit.events(after_position=self._position, limit=SLICE_EVENTS):
            old = _beginning(events, moment)
            if old:
                count += await self._erased(old, wish)
                self._position = old[-1].position
            if len(old) < len(events):
                break
            await asyncio.sleep(self._pause_seconds)
        return count

    async def _again(self, wish: ErasureWish) -> int:
        """Jobs that had not ended when they were last looked at."""
        waiting = list(self._unfinished.values())
        return await self._erased(waiting, wish) if waiting else 0

    async def _erased(self, events: list[AuditEvent], wish: ErasureWish) -> int:
        found = await slice_of(self._stores, events, wish)
        await erase(self._stores, found.payload_ids)
        for event in events:
            if event.subject_id in found.unfinished_jobs:
                self._unfinished[event.subject_id] = event
            else:
                self._unfinished.pop(event.subject_id, None)
        return len(found.payload_ids)

    async def _run(self) -> None:
        await asyncio.sleep(FIRST_SECONDS)
        while True:
            try:
                if count := await self.sweep():
                    log.info("%d texts older than %g days were erased", count, self._payload_days)
            except ServiceError as error:  # whatever it is, the next sweep must come
                log.warning("Old texts could not be erased: %s", error)
            await asyncio.sleep(SWEEP_SECONDS)


def _beginning(events: list[AuditEvent], moment: datetime) -> list[AuditEvent]:
    """The events before the first decision or job that is not old enough."""
    before = iso(moment)
    young = (place for place, event in enumerate(events) if event.kind in LOOKED_AT and event.at >= before)
    return events[: next(young, len(events))]
