"""Delivers what waits: claims messages that are due, tries each, and says when to try again."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from orchestrator.webhooks.posting import Answer, NotSent
from orchestrator.webhooks.secrets import SigningSecrets
from orchestrator.webhooks.targets import TargetRefused
from storage.errors import StorageError
from storage.records import utc_now
from storage.service_stores import DeliveryStore
from storage.webhook_records import Delivery

logger = logging.getLogger(__name__)

# After the first try, the second, …: the pause to the next, as the Standard Webhooks' text proposes.
PAUSES_SECONDS = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
JITTER = 0.2  # a pause is up to this share longer, so that many messages do not come back at once
POLL_SECONDS = 2.0
LEASE_SECONDS = 120.0  # longer than any try; after it somebody else tries again what its sender died with
FAREWELL_SECONDS = 2.0
GONE = 410


class Posts(Protocol):
    """One try. Raises TargetRefused, NotSent."""

    async def post(self, url: str, body: str, headers: Mapping[str, str], *, now: datetime) -> Answer: ...

    async def close(self) -> None: ...


class WebhookSender:
    """At least once: the `webhook-id` is the same in each try, so that a receiver can tell a repetition."""

    def __init__(
        self,
        deliveries: DeliveryStore,
        secrets: SigningSecrets,
        poster: Posts,
        *,
        parallel: int = 8,
        now: Callable[[], datetime] = utc_now,
        chance: Callable[[], float] = random.random,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._deliveries = deliveries
        self._secrets = secrets
        self._poster = poster
        self._parallel = parallel
        self._now = now
        self._chance = chance
        self._poll_seconds = poll_seconds
        self._nudged = asyncio.Event()
        self._tries: dict[asyncio.Task[None], str] = {}  # to whose message it is
        self._is_stopping = False
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """A second call changes nothing."""
        if self._loop is None:
            self._is_stopping = False
            self._loop = asyncio.create_task(self._run(), name="webhook-sender")

    async def stop(self) -> None:
        """Waits a moment for tries under way; what is not done by then is given back, for whoever sends next.

        A claim under way is awaited: what it takes would else lie there, leased to nobody.
        """
        if self._loop is not None:
            self._is_stopping = True
            self._nudged.set()
            await self._loop
            self._loop = None
        if self._tries:
            _, late = await asyncio.wait(self._tries, timeout=FAREWELL_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._poster.close()

    def nudge(self) -> None:
        """A message was queued: no need to wait for the next look."""
        self._nudged.set()

    async def send_due(self) -> int:
        """Claims as many as there is room for and begins to send them; how many.

        One tenant gets half of the places while others wait, and all but one while nobody does: whoever comes next
        need not wait for slow receivers of another.
        """
        began = await self._begun(share=max(self._parallel // 2, 1))
        return began + await self._begun(share=max(self._parallel - 1, 1))

    async def _begun(self, *, share: int) -> int:
        room = self._parallel - len(self._tries)
        if room <= 0 or self._is_stopping:
            return 0
        busy = Counter(self._tries.values())
        due = await self._deliveries.due(
            now=self._now(), most=room, lease_seconds=LEASE_SECONDS, share=share, busy=busy
        )
        for delivery in due:
            task = asyncio.create_task(self._tried(delivery))
            self._tries[task] = delivery.tenant
            task.add_done_callback(self._ended)
        return len(due)

    async def settle(self) -> None:
        """Waits until no try is under way."""
        while self._tries:
            await asyncio.wait(self._tries)

    async def _run(self) -> None:
        while not self._is_stopping:
            self._nudged.clear()
            try:
                await self.send_due()
            except StorageError as error:
                logger.warning("Webhooks wait, the store cannot be read: %s", error)
            if self._is_stopping:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._nudged.wait()

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tries[task]
        self._nudged.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("A webhook's try broke off: %r", error)

    async def _tried(self, delivery: Delivery) -> None:
        began = self._now()
        try:
            headers = await self._secrets.headers(delivery, now=began)
            answer = await self._poster.post(delivery.url, delivery.body, headers, now=began)
            after = self.after_answer(delivery, answer)
        except TargetRefused as error:
            after = self._given_up(delivery, str(error), None)
        except NotSent as error:
            after = self._put_off(delivery, str(error), None, None)
        except asyncio.CancelledError:
            await self._deliveries.put(replace(delivery, next_try_at=self._now()))
            raise
        await self._deliveries.put(after)

    def after_answer(self, delivery: Delivery, answer: Answer) -> Delivery:
        """The delivery once the receiver has said this."""
        if 200 <= answer.status < 300:
            return replace(
                delivery,
                state="delivered",
                tries=delivery.tries + 1,
                last_status=answer.status,
                last_error=None,
                delivered_at=self._now(),
            )
        if answer.status == GONE:
            return self._given_up(delivery, "the receiver says that it is gone for good", answer.status)
        what = "redirects are not followed" if 300 <= answer.status < 400 else "the receiver did not take it"
        return self._put_off(delivery, f"HTTP {answer.status}: {what}", answer.status, answer.retry_at)

    def _put_off(self, delivery: Delivery, error: str, status: int | None, retry_at: datetime | None) -> Delivery:
        if delivery.tries >= len(PAUSES_SECONDS):
            return self._given_up(delivery, error, status)
        pause = PAUSES_SECONDS[delivery.tries] * (1 + JITTER * self._chance())
        usual = self._now() + timedelta(seconds=pause)
        return replace(
            delivery,
            tries=delivery.tries + 1,
            last_status=status,
            last_error=error,
            next_try_at=usual if retry_at is None else max(usual, retry_at),
        )

    def _given_up(self, delivery: Delivery, error: str, status: int | None) -> Delivery:
        return replace(delivery, state="given_up", tries=delivery.tries + 1, last_status=status, last_error=error)
