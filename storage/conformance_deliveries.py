"""What every store of webhook messages owes; part of the suite in storage.conformance."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from storage.conformance_jobs import AFTER_LEASE, DONE, HARD_NAME, MINUTE, NOON, claimed, running, submitted
from storage.errors import InvalidInput, LeaseLost, RecordNotFound
from storage.stores import Stores
from storage.webhook_records import Delivery

URL = "https://hooks.example.com/antroute"


def a_delivery(**changes: Any) -> Delivery:
    body = json.dumps({"type": "job.succeeded", "data": HARD_NAME})
    delivery = Delivery(
        tenant="acme", job_id="job_1", url=URL, kind="job.succeeded", body=body, next_try_at=NOON, created_at=NOON
    )
    return replace(delivery, **changes)


async def due(stores: Stores, *, now: Any = NOON, most: int = 10) -> list[Delivery]:
    return await stores.deliveries.due(now=now, most=most, lease_seconds=60)


class DeliveryConformance:
    """Every message is queued with what it tells of, and tried by one sender at a time."""

    async def test_a_finished_job_queues_its_messages_in_the_same_transaction(self, stores: Stores) -> None:
        job, fence = await running(stores)
        messages = [a_delivery(job_id=job.id, kind=f"kind_{n}") for n in range(2)]
        stale = replace(fence, number=9)
        with pytest.raises(LeaseLost):
            await stores.jobs.finish(stale, DONE, deliveries=messages)
        assert await stores.deliveries.find() == []
        for _ in range(2):
            await stores.jobs.finish(fence, DONE, deliveries=messages)
        placed = [replace(each, position=position) for position, each in enumerate(messages, start=1)]
        assert await stores.deliveries.find(job_id=job.id) == placed[::-1]
        assert await stores.deliveries.get(messages[0].id) == placed[0]
        with pytest.raises(RecordNotFound, match="No webhook delivery 'msg_x'"):
            await stores.deliveries.get("msg_x")

    async def test_a_job_that_the_store_itself_ends_is_told_of_too(self, stores: Stores) -> None:
        wish = {"webhook_url": URL, "tenant": "acme", "metadata": {"order": "7"}}
        cancelled = await submitted(stores, **wish)
        late = await submitted(stores, **wish, deadline=NOON + MINUTE / 60)
        await submitted(stores, deadline=NOON + MINUTE / 60)  # nobody asked to hear of it
        await stores.jobs.cancel(cancelled.id)
        assert await claimed(stores, now=AFTER_LEASE) == []
        second, first = await stores.deliveries.find()
        assert (first.job_id, first.kind, first.url, first.tenant) == (cancelled.id, "job.cancelled", URL, "acme")
        assert (second.job_id, second.kind, second.next_try_at) == (late.id, "job.failed", AFTER_LEASE)
        said = json.loads(second.body)
        assert (said["type"], said["data"]["job_id"]) == ("job.failed", late.id)
        assert said["data"]["error_code"] == "deadline_exceeded"

    async def test_a_message_is_due_at_its_time_and_leased_to_one(self, stores: Stores) -> None:
        early = await stores.deliveries.put(a_delivery())
        later = await stores.deliveries.put(a_delivery(next_try_at=NOON + MINUTE * 2))
        until = NOON + timedelta(seconds=60)
        assert await due(stores) == [replace(early, next_try_at=until)]
        assert await due(stores, now=NOON + MINUTE / 2) == []
        assert [each.id for each in await due(stores, now=NOON + MINUTE * 2)] == [early.id, later.id]
        assert await due(stores, most=0) == []
        with pytest.raises(InvalidInput, match="lease_seconds"):
            await stores.deliveries.due(now=NOON, most=1, lease_seconds=0)

    async def test_no_tenant_gets_more_than_its_share_while_others_wait(self, stores: Stores) -> None:
        """The first ones are all of one tenant, of which two are under way already."""
        tenants = ["a"] * 6 + ["b", "c"] * 2
        given = [
            await stores.deliveries.put(a_delivery(tenant=tenant, next_try_at=NOON + timedelta(seconds=place)))
            for place, tenant in enumerate(tenants)
        ]

        async def found(most: int, share: int | None, **busy: int) -> list[int]:
            taken = await stores.deliveries.due(now=NOON + MINUTE, most=most, lease_seconds=60, share=share, busy=busy)
            return [given.index(next(each for each in given if each.id == one.id)) for one in taken]

        assert await found(5, 3, a=2) == [0, 6, 7, 8, 9]
        assert await found(5, 3, a=3) == []
        assert await found(2, 4, a=1) == [1, 2]
        assert await found(9, None) == [3, 4, 5]

    async def test_many_senders_at_once_never_get_one_message_twice(self, stores: Stores) -> None:
        messages = [await stores.deliveries.put(a_delivery()) for _ in range(12)]
        answers = await asyncio.gather(*(due(stores, most=3) for _ in range(8)))
        taken = [each.id for answer in answers for each in answer]
        assert sorted(taken) == sorted(each.id for each in messages)

    async def test_a_try_changes_what_became_of_the_message_and_nothing_else(self, stores: Stores) -> None:
        message = await stores.deliveries.put(a_delivery())
        failed = replace(
            message, tries=1, next_try_at=NOON + MINUTE, last_status=503, last_error=HARD_NAME, body="another", url="x"
        )
        after = await stores.deliveries.put(failed)
        assert after == replace(failed, body=message.body, url=message.url)
        done = replace(after, state="delivered", tries=2, last_status=200, last_error=None, delivered_at=NOON + MINUTE)
        assert await stores.deliveries.put(done) == done
        assert await stores.deliveries.get(message.id) == done
        assert await due(stores, now=NOON + MINUTE * 9) == []
        with pytest.raises(InvalidInput, match="No state 'sent'"):
            await stores.deliveries.put(replace(done, state="sent"))  # type: ignore[arg-type]  # the wrong word

    async def test_messages_are_found_newest_first_and_page_by_page(self, stores: Stores) -> None:
        given = [a_delivery(tenant="ab"[n % 2], job_id="xyz"[n % 3]) for n in range(9)]
        placed = [await stores.deliveries.put(each) for each in given]
        first = await stores.deliveries.find(limit=4)
        rest = await stores.deliveries.find(before_position=first[-1].position)
        assert [*first, *rest] == placed[::-1]
        assert await stores.deliveries.find(tenant="b", job_id="x") == [placed[3]]
        await stores.deliveries.put(replace(placed[4], state="given_up"))
        assert [each.id for each in await stores.deliveries.find(state="given_up")] == [placed[4].id]
        assert await stores.deliveries.find(limit=0) == []
