"""What other processes' answers earned, learned here too: every replica's policies come from one log of rewards."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from storage.errors import ServiceError
from storage.records import Decision, Reward
from storage.stores import Stores

LOOK_SECONDS = 2.0  # between two looks at the log
PAGE = 500  # rewards learned between two turns of the event loop

log = logging.getLogger("antroute.rewards")


class RewardTail:
    """Hands each decision's first reward that another process wrote to `learn`, once, in the log's order.

    `begin` before the log is learned again at start, so that no reward falls between; what is in the log by then, and
    what `learned` names, is not learned twice.
    """

    def __init__(
        self, stores: Stores, learn: Callable[[Decision, Reward], None], *, look_seconds: float = LOOK_SECONDS
    ) -> None:
        self._stores = stores
        self._learn = learn
        self._look_seconds = look_seconds
        self._position = 0
        self._learned: set[str] = set()  # decisions that were learned at start, though their rewards lie further on
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Marks the place in the log from which on others' rewards are to be learned."""
        self._position = await self._stores.audit.last_position()

    def skip(self, decision_id: str) -> None:
        """This decision's reward was learned at start."""
        self._learned.add(decision_id)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="reward-tail")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def look(self) -> int:
        """Learns what is new; how many rewards that were. Raises StorageUnavailable."""
        count = 0
        end = await self._stores.audit.last_position()
        while self._position < end:
            found = await self._stores.decisions.rewarded_elsewhere(after_position=self._position, limit=PAGE)
            for each in found:
                if each.decision.id not in self._learned:
                    self._learn(each.decision, each.reward)
                    count += 1
            # What lies before the last one, or before `end`, holds no reward of others: it was committed in this order.
            self._position = (
                found[-1].position if len(found) == PAGE else max(end, *(each.position for each in found), 0)
            )
        self._learned.clear()
        return count

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._look_seconds)
            try:
                await self.look()
            except ServiceError as error:  # the next look must come, and begins where this one stopped
                log.warning("Others' rewards could not be read: %s", error)
